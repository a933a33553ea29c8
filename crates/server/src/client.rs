//! Where a call comes from, behind the proxies that are trusted.
//!
//! Of the headers that proxies write, `X-Forwarded-For` is read, and only from a
//! peer that the configuration names: anybody else could write what they like.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The caller's address: the rightmost hop that is no trusted proxy. What stands
/// to the left of it is hearsay.
#[must_use]
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut nearest = peer.to_canonical();
    if !is_trusted(&nearest) {
        return nearest;
    }
    // Several headers are one list, in order (RFC 9110, section 5.3).
    let texts: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or("")).collect();
    for hop in texts.iter().rev().flat_map(|text| text.rsplit(',')) {
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            // A trusted proxy that writes something else tells us nothing more.
            Err(_) => return nearest,
        }
        if !is_trusted(&nearest) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (name, peer, forwarded, expected) in [
            ("no proxy", "192.0.2.1", &[][..], "192.0.2.1"),
            ("a stranger's header", "192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("one proxy", "10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("two proxies", "10.0.0.1", &["198.51.100.7, 10.2.3.4"], "198.51.100.7"),
            ("a forged beginning", "10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("a forged header before the proxy's", "10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("no header", "10.0.0.1", &[], "10.0.0.1"),
            ("garbage", "10.0.0.1", &["unknown"], "10.0.0.1"),
            ("garbage before a proxy", "10.0.0.1", &["x, 10.9.9.9"], "10.9.9.9"),
            ("only proxies", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("an IPv4 peer on an IPv6 socket", "::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("IPv6", "fd00::1", &["2001:db8::7"], "2001:db8::7"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{name}");
        }
    }
}
