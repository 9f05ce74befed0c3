//! Moments of this machine, for what has to end in time: a clock that nobody can set, that goes on while the machine sleeps,
//! and that is the same for all its processes.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Timers stand still while the machine sleeps; so often they are looked after.
const LOOK: Duration = Duration::from_millis(250);

/// A moment since the start of the machine, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let part = |count: i64| u64::try_from(count).unwrap_or(0);
        Self(part(now.tv_sec) * 1000 + part(now.tv_nsec) / 1_000_000)
    }

    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long until then; nothing once it is there.
    #[must_use]
    pub fn left(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(Self::now().0))
    }

    #[must_use]
    pub fn is_over(self) -> bool {
        self <= Self::now()
    }

    /// Waits for it.
    pub async fn reached(self) {
        while !self.is_over() {
            tokio::time::sleep(self.left().min(LOOK)).await;
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Moment {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
