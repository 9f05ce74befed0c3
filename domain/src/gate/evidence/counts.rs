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

/// Bad attempts and all attempts, as decisions keep them.
impl From<(u64, u64)> for Counts {
    fn from((bad, attempts): (u64, u64)) -> Self {
        Self { bad, attempts }
    }
}

impl From<Counts> for (u64, u64) {
    fn from(counts: Counts) -> Self {
        (counts.bad, counts.attempts)
    }
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
    /// For each millisecond of a window: a count, which has no other attempts.
    OverTime(Share),
}

impl Limit {
    #[must_use]
    pub fn p0(self) -> Share {
        match self {
            Self::Share(p0) | Self::Rate(p0) | Self::OverTime(p0) => p0,
        }
    }

    /// Another share or rate in its place.
    #[must_use]
    pub fn with(self, p0: Share) -> Self {
        match self {
            Self::Share(_) => Self::Share(p0),
            Self::Rate(_) => Self::Rate(p0),
            Self::OverTime(_) => Self::OverTime(p0),
        }
    }

    /// Bad ÷ attempts lies above so large a part of the limit.
    #[must_use]
    pub fn is_near(self, counts: Counts, part: f64) -> bool {
        let near = self.p0().value() * part * (1.0 + ROUNDING);
        as_number(counts.bad) > near * as_number(counts.attempts)
    }

    /// More bad ones than attempts, where each bad one is an attempt: the two do not belong together (JU-1).
    #[must_use]
    pub fn is_contradicted_by(self, counts: Counts) -> bool {
        matches!(self, Self::Share(_)) && counts.bad > counts.attempts
    }

    /// How likely chance alone makes at least so many bad of a version that sits at its limit, of so many that weigh as one
    /// each.
    #[must_use]
    pub fn luck(self, counts: Counts, design_effect: f64) -> f64 {
        let independent = |count: u64| weighed_as(count, design_effect);
        let (bad, attempts, p0) = (independent(counts.bad), independent(counts.attempts), self.p0().value());
        match self {
            Self::Share(_) => at_least(bad, attempts, p0),
            Self::Rate(_) | Self::OverTime(_) => at_least_of_rate(bad, p0 * as_number(attempts)),
        }
    }

    /// Bad ÷ attempts lies above the limit.
    #[must_use]
    pub fn is_exceeded_by(self, counts: Counts) -> bool {
        self.p0().is_exceeded_by(counts.bad, counts.attempts)
    }
}

/// So many weigh as one: rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a count, rounded down"
)]
fn weighed_as(count: u64, design_effect: f64) -> u64 {
    (as_number(count) / design_effect) as u64
}
