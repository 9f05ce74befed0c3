//! What a window holds of a metric, and what is held against it (JU-1).

use super::share::Share;

/// Attempts of a window, and how many of them were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub bad: u64,
    pub attempts: u64,
}

/// What may be bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of all attempts.
    Share(Share),
    /// For each attempt; there may be more bad ones than attempts.
    Rate(Share),
}

impl Limit {
    #[must_use]
    pub fn p0(self) -> Share {
        match self {
            Self::Share(p0) | Self::Rate(p0) => p0,
        }
    }

    /// Bad ÷ attempts lies above the limit.
    #[must_use]
    pub fn is_exceeded_by(self, counts: Counts) -> bool {
        self.p0().is_exceeded_by(counts.bad, counts.attempts)
    }
}
