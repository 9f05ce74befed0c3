//! A clock that is behind, and is put on by windows, so that days of them pass in minutes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use service_kit::clock::{Clock, SystemClock};
use shared_types::Timestamp;

/// As the machine's, but for what it is behind. Never ahead: the collector takes no time that is later than its neighbours'.
pub(super) struct Behind(AtomicI64);

impl Behind {
    pub(super) fn by(behind: Duration) -> Self {
        Self(AtomicI64::new(millis(behind)))
    }

    /// Jumps ahead. What is under way has its leases ended by that, so nothing should be.
    pub(super) fn put_on(&self, by: Duration) {
        self.0.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() - self.0.load(Ordering::SeqCst))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
