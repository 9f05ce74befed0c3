//! Ports of services under test, which keep theirs across restarts and therefore cannot be given port 0.

use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below every system's ports of outgoing connections and of listeners at port 0 (Linux: from 32768), so that nobody
/// gets one of them by chance while its service is not up yet, or is down for a moment.
const PORTS: Range<u16> = 20_000..32_768;

/// A port nobody listens on, which this process gives out once.
///
/// # Panics
/// All are taken.
#[must_use]
pub fn own() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different places.
    let count = u32::from(PORTS.end - PORTS.start);
    let begin = std::process::id().wrapping_mul(331) % count;
    for _ in PORTS {
        let given = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from((begin + given) % count).expect("a place in the range");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 from {} to {}", PORTS.start, PORTS.end);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_out_twice_and_none_that_is_listened_on() {
        let given: BTreeSet<u16> = (0..500).map(|_| own()).collect();
        assert_eq!(given.len(), 500);
        let next = own();
        // Ours, or somebody else's already: listened on either way.
        let _taken = TcpListener::bind(("127.0.0.1", next + 1));
        assert_ne!(own(), next + 1);
        assert!(given.iter().all(|port| PORTS.contains(port)));
    }
}
