//! What a window holds of a metric, and what is held against it (JU-1).

use super::share::Share;
use super::tail::{as_number, at_least, at_least_of_rate};

/// A binary fraction cannot hold 80 % of 0.018 exactly; this much, as a part, is rounding.
const ROUNDING: f64 = 1e-12;

/// Attempts of a window, and how many of them were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub bad: u64,
    pub attempts: u64,
}

impl Counts {
    /// Without a part of them.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        let bad = self.bad.saturating_sub(part.bad);
        Self { bad, attempts: self.attempts.saturating_sub(part.attempts) }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let bad = self.bad.saturating_add(other.bad);
        Self { bad, attempts: self.attempts.saturating_add(other.attempts) }
    }
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

    /// Bad ÷ attempts lies above so large a part of the limit.
    #[must_use]
    pub fn is_near(self, counts: Counts, part: f64) -> bool {
        let near = self.p0().value() * part * (1.0 + ROUNDING);
        as_number(counts.bad) > near * as_number(counts.attempts)
    }

    /// How likely a group that sits exactly at the limit has so many bad ones, or more.
    #[must_use]
    pub fn odds(self, counts: Counts) -> f64 {
        let Counts { bad, attempts } = counts;
        match self {
            Self::Share(p0) => at_least(bad, attempts, p0.value()),
            Self::Rate(p0) => at_least_of_rate(bad, p0.value() * as_number(attempts)),
        }
    }

    /// Bad ÷ attempts lies above the limit.
    #[must_use]
    pub fn is_exceeded_by(self, counts: Counts) -> bool {
        self.p0().is_exceeded_by(counts.bad, counts.attempts)
    }
}
