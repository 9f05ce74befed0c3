//! How many wrong tokens a peer may try: a bound on what guessing costs others, not on who may come in.
//!
//! Only calls that failed count, and only they are put off; a right token is taken whatever its neighbours do, so
//! that nobody behind the same address can lock the others out. Memory is bounded: when too many peers fail at
//! once, those that do not fit share one allowance.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use shared_types::Timestamp;

/// Failures at once that are answered 401 before the first 429.
const BURST: i64 = 10;
/// One more is allowed each.
const INTERVAL_MS: i64 = 6000;
/// Peers that are told apart.
const PEERS: usize = 4096;

/// The failures of all peers.
#[derive(Debug, Default)]
pub struct Throttle {
    /// When each peer's failures are forgotten, in milliseconds: every failure moves it on by an interval, and
    /// it may be at most a burst ahead.
    until: HashMap<Peer, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Peer {
    V4([u8; 4]),
    /// One customer has a whole /64.
    V6([u16; 4]),
    /// Everybody else.
    Others,
}

impl Throttle {
    /// A call from there failed. `Some`: it was one too many; how long until another is let through.
    pub fn failed(&mut self, peer: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let (peer, now) = (self.place(peer), now.as_millis());
        let until = self.until.entry(peer).or_insert(now);
        let next = (*until).max(now) + INTERVAL_MS;
        let over = next - now - BURST * INTERVAL_MS;
        if over > 0 {
            return Some(Duration::from_millis(over.unsigned_abs()));
        }
        *until = next;
        self.forget(now);
        None
    }

    fn place(&self, peer: Option<IpAddr>) -> Peer {
        let peer = match peer.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Peer::V4(ip.octets()),
            Some(IpAddr::V6(ip)) => network_of(ip),
            None => Peer::Others,
        };
        if self.until.len() < PEERS || self.until.contains_key(&peer) { peer } else { Peer::Others }
    }

    /// Only when it is full: a call costs no walk over all peers otherwise.
    fn forget(&mut self, now: i64) {
        if self.until.len() >= PEERS {
            self.until.retain(|_, until| *until > now);
        }
    }
}

fn network_of(ip: Ipv6Addr) -> Peer {
    let [a, b, c, d, ..] = ip.segments();
    Peer::V6([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + ms)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_an_interval() {
        let mut throttle = Throttle::default();
        let peer = ip("192.0.2.1");
        for _ in 0..BURST {
            assert_eq!(throttle.failed(peer, at(0)), None);
        }
        assert_eq!(throttle.failed(peer, at(0)), Some(Duration::from_secs(6)));
        assert_eq!(
            throttle.failed(peer, at(5000)),
            Some(Duration::from_secs(1)),
            "put off ones do not count"
        );
        assert_eq!(throttle.failed(peer, at(6000)), None);
        assert_eq!(throttle.failed(peer, at(6000)), Some(Duration::from_secs(6)));
        assert_eq!(throttle.failed(peer, at(600_000)), None, "all is forgotten");
    }

    #[test]
    fn peers_are_told_apart_by_address_and_by_ipv6_network() {
        let mut throttle = Throttle::default();
        for _ in 0..BURST {
            throttle.failed(ip("192.0.2.1"), at(0));
            throttle.failed(ip("2001:db8::1"), at(0));
        }
        assert!(throttle.failed(ip("::ffff:192.0.2.1"), at(0)).is_some(), "the same in IPv6's clothes");
        assert!(throttle.failed(ip("2001:db8::ffff:1"), at(0)).is_some(), "the same network");
        assert_eq!(throttle.failed(ip("192.0.2.2"), at(0)), None);
        assert_eq!(throttle.failed(ip("2001:db8:0:1::1"), at(0)), None);
    }

    #[test]
    fn memory_is_bounded_and_comes_free_again() {
        let mut throttle = Throttle::default();
        for n in 0..100_000_u32 {
            throttle.failed(Some(IpAddr::from(n.to_be_bytes())), at(0));
        }
        assert!(throttle.until.len() <= PEERS + 1, "{}", throttle.until.len());
        assert!(throttle.failed(ip("203.0.113.9"), at(0)).is_some(), "those without a place share one");
        throttle.failed(ip("0.0.0.1"), at(3_600_000));
        assert_eq!(throttle.until.len(), 1);
    }
}
