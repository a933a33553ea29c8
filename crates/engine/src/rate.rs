//! A bounded count of calls a window, for each of a bounded number of keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use halligan_core::id::PartyName;
use halligan_core::incident::IncidentRef;
use jiff::{SignedDuration, Timestamp};

use crate::caller::Caller;
use crate::problem::{Problem, ProblemKind};

/// As many keys as there are kept: with one more the oldest half is forgotten, and may begin
/// anew. Whoever brings many keys along so gets round the limit, and shuts nobody else out.
pub const KEYS_MAX: usize = 10_000;

/// Who counts as one with this address: whoever has one of a network of IPv6 has all of it.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
    }
}

/// So many calls a window and key.
#[derive(Debug)]
pub struct Rate<K> {
    calls_max: u32,
    window: SignedDuration,
    counts: Mutex<HashMap<K, (Timestamp, u32)>>,
}

impl<K: Eq + Hash + Clone> Rate<K> {
    /// `calls_max` in each window.
    #[must_use]
    pub fn new(calls_max: u32, window: SignedDuration) -> Self {
        Self { calls_max, window, counts: Mutex::default() }
    }

    /// Gives one call of `key` back.
    pub fn give_back(&self, key: &K) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = counts.get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes one call of `key`, or says in how many seconds there is one again.
    ///
    /// # Errors
    /// The seconds until the window ends.
    pub fn take(&self, key: &K, now: Timestamp) -> Result<(), u32> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KEYS_MAX && !counts.contains_key(key) {
            counts.retain(|_, (since, _)| now.duration_since(*since) < self.window);
            if counts.len() >= KEYS_MAX {
                let mut begun: Vec<Timestamp> = counts.values().map(|(since, _)| *since).collect();
                begun.sort_unstable();
                let middle = begun.get(KEYS_MAX / 2).copied().unwrap_or(now);
                counts.retain(|_, (since, _)| *since > middle);
            }
        }
        let (since, count) = counts.entry(key.clone()).or_insert((now, 0));
        let passed = now.duration_since(*since);
        if passed >= self.window || passed.is_negative() {
            (*since, *count) = (now, 0);
        }
        if *count >= self.calls_max {
            let left = self.window - now.duration_since(*since);
            return Err(u32::try_from(left.as_secs().saturating_add(1)).unwrap_or(u32::MAX));
        }
        *count += 1;
        Ok(())
    }
}

/// How often somebody may ask for access.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// One person or machine, an hour.
    pub requests_per_person: u32,
    /// All, about one incident, an hour.
    pub requests_per_incident: u32,
    /// One address, or /64 of IPv6, an hour.
    pub requests_per_address: u32,
    /// Refused acknowledgements of one person, an hour.
    pub refused_acknowledgements: u32,
    /// Incidents that one person or machine looks up, a minute.
    pub incident_reads: u32,
}

/// Counts who asks how often.
pub(crate) struct Asking {
    people: Rate<PartyName>,
    incidents: Rate<IncidentRef>,
    addresses: Rate<IpAddr>,
    acknowledgements: Rate<PartyName>,
    incident_reads: Rate<PartyName>,
}

impl Asking {
    pub(crate) fn new(rates: &Rates) -> Self {
        let hour = SignedDuration::from_hours(1);
        Self {
            people: Rate::new(rates.requests_per_person, hour),
            incidents: Rate::new(rates.requests_per_incident, hour),
            addresses: Rate::new(rates.requests_per_address, hour),
            acknowledgements: Rate::new(rates.refused_acknowledgements, hour),
            incident_reads: Rate::new(rates.incident_reads, SignedDuration::from_mins(1)),
        }
    }

    /// Takes one request of whoever asks.
    pub(crate) fn request(&self, caller: &Caller, now: Timestamp) -> Result<(), Problem> {
        let limited = |what: &str, seconds| {
            let detail = format!("there were too many requests {what} within an hour");
            Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds)
        };
        // Who has used up their own takes nothing from others behind the same address.
        let name = caller.party.name();
        self.people.take(&name, now).map_err(|seconds| limited(&format!("of `{name}`"), seconds))?;
        let Some(address) = caller.address else { return Ok(()) };
        self.addresses.take(&neighbourhood(address), now).map_err(|seconds| limited("from this address", seconds))
    }

    /// Takes one request that could be granted, about an incident: strangers, and who has too many open, can't use it up.
    pub(crate) fn about(&self, incident: &IncidentRef, now: Timestamp) -> Result<(), Problem> {
        self.incidents.take(incident, now).map_err(|seconds| {
            let detail = format!("there were too many requests about `{incident}` within an hour");
            Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds)
        })
    }

    /// Takes one acknowledgement; it is given back when it was a good one.
    pub(crate) fn acknowledgement(&self, name: &PartyName, now: Timestamp) -> Result<(), Problem> {
        self.acknowledgements.take(name, now).map_err(|seconds| {
            let detail = "too many of your acknowledgements were refused within an hour";
            Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds)
        })
    }

    /// Takes one look at an incident: its tool bears only so many questions from all together.
    pub(crate) fn incident_read(&self, name: &PartyName, now: Timestamp) -> Result<(), Problem> {
        self.incident_reads.take(name, now).map_err(|seconds| {
            let detail = format!("`{name}` has looked up too many incidents within a minute");
            Problem::new(ProblemKind::RateLimited, detail).retry_after(seconds)
        })
    }

    pub(crate) fn good(&self, name: &PartyName) {
        self.acknowledgements.give_back(name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_window_admits_so_many_and_the_next_again() {
        let rate = Rate::new(2, SignedDuration::from_mins(1));
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!((rate.take(&1, now), rate.take(&1, now)), (Ok(()), Ok(())));
        assert_eq!(rate.take(&1, now + SignedDuration::from_secs(20)), Err(41));
        assert_eq!(rate.take(&2, now), Ok(()));
        assert_eq!(rate.take(&1, now + SignedDuration::from_secs(60)), Ok(()));
    }

    #[test]
    fn what_is_given_back_is_there_again_and_never_more_than_that() {
        let rate = Rate::new(1, SignedDuration::from_mins(1));
        let now = Timestamp::from_second(1_000).unwrap();
        rate.give_back(&1);
        assert_eq!((rate.take(&1, now), rate.take(&1, now)), (Ok(()), Err(61)));
        rate.give_back(&1);
        rate.give_back(&1);
        assert_eq!((rate.take(&1, now), rate.take(&1, now)), (Ok(()), Err(61)));
    }

    fn keys<K>(rate: &Rate<K>) -> usize {
        rate.counts.lock().unwrap().len()
    }

    /// A flood of keys takes up so much room, and is let through rather than shut anybody out.
    #[test]
    fn a_flood_of_keys_is_bounded_and_shuts_nobody_out() {
        let rate = Rate::new(1, SignedDuration::from_mins(1));
        let start = Timestamp::from_second(1_000).unwrap();
        let flood = u64::try_from(KEYS_MAX).unwrap() * 3;
        for key in 0..flood {
            let now = start + SignedDuration::from_micros(i64::try_from(key).unwrap());
            assert_eq!(rate.take(&key, now), Ok(()), "{key}");
            assert!(keys(&rate) <= KEYS_MAX, "{key}");
        }
        // Who came before it may begin anew, who came last may not: nothing is forgotten but the oldest.
        let now = start + SignedDuration::from_secs(1);
        assert_eq!((rate.take(&0, now), rate.take(&(flood - 1), now)), (Ok(()), Err(60)));
        // All at one instant, too: then there is no older half.
        let rate = Rate::new(1, SignedDuration::from_mins(1));
        for key in 0..=flood {
            assert_eq!(rate.take(&key, start), Ok(()), "{key}");
            assert!(keys(&rate) <= KEYS_MAX, "{key}");
        }
    }

    #[test]
    fn what_is_over_makes_room_before_anybody_is_forgotten() {
        let rate = Rate::new(1, SignedDuration::from_mins(1));
        let start = Timestamp::from_second(1_000).unwrap();
        let later = start + SignedDuration::from_secs(60);
        assert_eq!(rate.take(&0, start + SignedDuration::from_secs(1)), Ok(()));
        for key in 1..KEYS_MAX {
            assert_eq!(rate.take(&key, start), Ok(()));
        }
        assert_eq!((rate.take(&KEYS_MAX, later), keys(&rate)), (Ok(()), 2));
        assert_eq!(rate.take(&0, later), Err(2), "its window is not over");
    }

    #[test]
    fn whoever_has_one_address_of_a_network_has_all_of_it() {
        for (name, address, expected) in [
            ("IPv4", "192.0.2.1", "192.0.2.1"),
            ("IPv4 on a socket of IPv6", "::ffff:192.0.2.1", "192.0.2.1"),
            ("IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("its network", "2001:db8:1:2::", "2001:db8:1:2::"),
            ("its end", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("the next network", "2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(neighbourhood(address.parse().unwrap()).to_string(), expected, "{name}");
        }
    }
}
