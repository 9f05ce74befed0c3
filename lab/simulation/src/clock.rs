//! The clocks of the replicas: the time outside, each with its own error.

use std::sync::atomic::{AtomicI64, Ordering};

use service_kit::clock::Clock;
use shared_types::Timestamp;

use crate::scheduler::Scheduler;

/// A replica's clock.
pub struct SkewedClock {
    scheduler: Scheduler,
    skew_ms: AtomicI64,
}

impl SkewedClock {
    /// Ahead by `skew_ms`, or behind where that is negative.
    #[must_use]
    pub fn new(scheduler: Scheduler, skew_ms: i64) -> Self {
        Self { scheduler, skew_ms: AtomicI64::new(skew_ms) }
    }

    /// When it is `shown` here, it is this outside.
    #[must_use]
    pub fn outside(&self, shown: Timestamp) -> Timestamp {
        Timestamp::from_millis(shown.as_millis() - self.skew_ms.load(Ordering::SeqCst))
    }

    /// Sets the clock right, as a time server does once it can be reached.
    pub fn set_right(&self) {
        self.skew_ms.store(0, Ordering::SeqCst);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.scheduler.now().as_millis() + self.skew_ms.load(Ordering::SeqCst))
    }
}
