//! How often a vendor may be called: at most once an interval and key. Pure but for its own memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared_types::Timestamp;

/// Says how long to wait instead of waiting, so that no worker sleeps on a lease. What it knows is lost
/// with the process; the vendor's own 429 holds then, and between replicas.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    closed: Mutex<HashMap<String, Closed>>,
}

/// A key is closed in `[since, until)`; with both ends known, a clock that is set back opens it.
#[derive(Debug, Clone, Copy)]
struct Closed {
    since: Timestamp,
    until: Timestamp,
}

impl Pace {
    /// One turn an interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, closed: Mutex::new(HashMap::new()) }
    }

    /// Takes the key's turn, or says how long it is until there is one.
    ///
    /// # Errors
    /// It is not the key's turn yet.
    pub fn admit(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody asks again for most keys, so the open ones go; what stays is bounded by the interval.
        closed.retain(|_, span| span.since <= now && now < span.until);
        if let Some(span) = closed.get(key) {
            return Err(span.until.since(now).max(Duration::from_millis(1)));
        }
        closed.insert(key.to_owned(), Closed { since: now, until: now.plus(self.interval) });
        Ok(())
    }

    /// Closes the key for as long as the vendor asked.
    pub fn hold(&self, key: &str, now: Timestamp, for_: Duration) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.insert(key.to_owned(), Closed { since: now, until: now.plus(for_) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    /// NO-3
    #[test]
    fn a_key_has_one_turn_an_interval_and_keys_do_not_wait_for_each_other() {
        let pace = Pace::new(SECOND);
        assert_eq!(pace.admit("#a", at(0)), Ok(()));
        assert_eq!(pace.admit("#a", at(400)), Err(Duration::from_millis(600)));
        assert_eq!(pace.admit("#b", at(400)), Ok(()));
        assert_eq!(pace.admit("#a", at(1000)), Ok(()));
    }

    #[test]
    fn a_refused_caller_does_not_lengthen_the_wait() {
        let pace = Pace::new(SECOND);
        assert_eq!(pace.admit("#a", at(0)), Ok(()));
        assert!(pace.admit("#a", at(999)).is_err());
        assert_eq!(pace.admit("#a", at(1000)), Ok(()));
    }

    #[test]
    fn a_held_key_stays_closed_for_that_long() {
        let pace = Pace::new(SECOND);
        pace.hold("#a", at(0), SECOND * 30);
        assert_eq!(pace.admit("#a", at(10_000)), Err(SECOND * 20));
        assert_eq!(pace.admit("#a", at(30_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_a_channel() {
        let pace = Pace::new(SECOND);
        assert_eq!(pace.admit("#a", at(3_600_000)), Ok(()));
        assert_eq!(pace.admit("#a", at(0)), Ok(()));
    }
}
