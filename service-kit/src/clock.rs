//! Time is an argument: whoever needs the time is given a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shared_types::Timestamp;

/// Tells the time. Only the binaries' `main` (and the demo) make a [`SystemClock`].
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_millis()))
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        let to = self.now().plus(by);
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }

    /// Jumps to `to`.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
