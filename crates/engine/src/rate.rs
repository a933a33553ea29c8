//! A bounded count of calls a window, for each of a bounded number of keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// More keys than this and the oldest windows are forgotten.
const KEYS_MAX: usize = 10_000;

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

    /// Takes one call of `key`, or says in how many seconds there is one again.
    ///
    /// # Errors
    /// The seconds until the window ends.
    pub fn take(&self, key: &K, now: Timestamp) -> Result<(), u32> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KEYS_MAX {
            counts.retain(|_, (since, _)| now.duration_since(*since) < self.window);
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
}
