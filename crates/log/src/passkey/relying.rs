//! Which site a passkey was used on.

use sha2::{Digest as _, Sha256};

use super::fault::PasskeyFault;

/// Where browsers may say they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origins<'a> {
    /// At one of these, exactly: the broker's own origins, as its configuration has them.
    These(&'a [String]),
    /// Anywhere that a browser lets the relying party's keys be used: `https` on the host
    /// that its id names or one below it, on any port, or `http` on `localhost`. For whoever
    /// reads a log and knows the id alone.
    OfId,
}

/// The site that passkeys are enrolled at and used on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relying<'a> {
    /// The relying party's id: a host name. A passkey belongs to one, for good.
    pub id: &'a str,
    /// Where it is used.
    pub origins: Origins<'a>,
}

impl<'a> Relying<'a> {
    /// The broker's view: its id, and exactly these origins.
    #[must_use]
    pub const fn new(id: &'a str, origins: &'a [String]) -> Self {
        Self { id, origins: Origins::These(origins) }
    }

    /// A later reader's view: the id, from the entry of the enrolment, and what browsers
    /// enforce for it. The host is part of what is signed either way (the id's hash by the
    /// authenticator, the origin by the browser); what is given up is the exact port and
    /// the name below the id.
    #[must_use]
    pub const fn of_log(id: &'a str) -> Self {
        Self { id, origins: Origins::OfId }
    }

    /// The hash that authenticators sign.
    pub(super) fn id_hash(&self) -> [u8; 32] {
        Sha256::digest(self.id.as_bytes()).into()
    }

    pub(super) fn check_origin(&self, origin: &str) -> Result<(), PasskeyFault> {
        let known = match self.origins {
            Origins::These(origins) => origins.iter().any(|known| known == origin),
            Origins::OfId => self.is_in_scope(origin),
        };
        if known { Ok(()) } else { Err(PasskeyFault::Origin) }
    }

    fn is_in_scope(&self, origin: &str) -> bool {
        let (secure, rest) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return false,
        };
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        // A port as browsers write it: in decimal, no zero before it.
        let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
        let below = host.strip_suffix(self.id).is_some_and(|below| below.is_empty() || below.ends_with('.'));
        let named = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        let allowed = secure || host == "localhost" || host.ends_with(".localhost");
        port_is_good && below && named && allowed && !self.id.is_empty() && !host.starts_with('.')
    }
}
