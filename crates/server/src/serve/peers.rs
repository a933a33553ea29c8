//! How many connections each address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halligan_engine::rate::neighbourhood;
use ipnet::IpNet;

/// Counts connections by address. The table is as large as there are connections.
pub(super) struct Peers {
    max: usize,
    exempt: Vec<IpNet>,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, free again when it is dropped.
pub(super) struct Seat(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    /// At most `max` of an address, but for those in `exempt`.
    pub fn new(max: usize, exempt: Vec<IpNet>) -> Self {
        Self { max, exempt, open: Mutex::default() }
    }

    /// A place for one more connection, if there is one.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let peer = peer.to_canonical();
        if self.exempt.iter().any(|network| network.contains(&peer)) {
            return Some(Seat(None));
        }
        let peer = neighbourhood(peer);
        let mut open = self.open();
        let count = open.entry(peer).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Seat(Some((self.clone(), peer))))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((peers, peer)) = self.0.take() else { return };
        let mut open = peers.open();
        if let Some(count) = open.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_address_has_so_many_and_a_trusted_proxy_any_number() {
        let peers = Arc::new(Peers::new(2, vec!["10.0.0.0/8".parse().unwrap()]));
        let admit = |text: &str| peers.admit(text.parse().unwrap());
        let held = [admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap()];
        assert!(admit("192.0.2.1").is_none() && admit("192.0.2.2").is_some());
        let networks = [admit("2001:db8::1").unwrap(), admit("2001:db8::ffff:2").unwrap()];
        assert!(admit("2001:db8::3").is_none() && admit("2001:db8:0:1::3").is_some());
        let proxied: Vec<_> = (0..10).map(|_| admit("10.0.0.1").unwrap()).collect();
        drop((held, networks));
        assert!(admit("192.0.2.1").is_some() && admit("2001:db8::3").is_some());
        drop(proxied);
        assert!(peers.open().is_empty());
    }
}
