//! The design effect: of so many errors, how many are independent (JU-14).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use shared_types::decision::BunchSums;

use super::counts::Counts;
use super::tail::as_number;

/// This window and the sixteen before it.
pub const WINDOWS: usize = 17;
/// Pairs of neighbours that are looked at.
const PAIRS: u64 = 96;
/// A pair counts for no more: one step up is one step.
const PAIR_MAX: f64 = 9.0;
/// Before anything is known, the estimate is 1 with the weight of so many errors, or pairs.
const ERRORS_BEFORE: f64 = 2.0;
const PAIRS_BEFORE: f64 = 8.0;
/// Sums are kept to so many places, as levels are.
const ROUNDED_TO: f64 = 1e9;

/// Of errors that carry no session: how much a window differs from its neighbour, within one epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Neighbours {
    /// Of pairs that are known by their sum alone: those before a replay begins.
    carried: BunchSums,
    /// As [`difference_of`] has them, oldest first.
    pairs: VecDeque<f64>,
}

impl Neighbours {
    /// Goes on from what a decision says it went on from.
    #[must_use]
    pub fn resume(carried: BunchSums) -> Self {
        Self { carried, pairs: VecDeque::new() }
    }

    /// What the next window's design effect stands on.
    #[must_use]
    pub fn sums(&self) -> BunchSums {
        let pairs = self.carried.pairs + u64::try_from(self.pairs.len()).unwrap_or(u64::MAX);
        let differences = self.carried.differences + self.pairs.iter().sum::<f64>();
        BunchSums { pairs, differences: (differences * ROUNDED_TO).round() / ROUNDED_TO }
    }

    /// Takes two windows with attempts that follow each other.
    pub fn take(&mut self, before: Counts, now: Counts) {
        let Some(pair) = difference_of(before, now) else { return };
        self.pairs.push_back((pair.min(PAIR_MAX) * ROUNDED_TO).round() / ROUNDED_TO);
        if self.sums().pairs > PAIRS {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let BunchSums { pairs, differences } = self.carried;
        if pairs == 0 {
            self.pairs.pop_front();
            return;
        }
        // Which of them is the oldest is not known: one of mean size goes.
        let left = pairs - 1;
        self.carried =
            BunchSums { pairs: left, differences: differences * as_number(left) / as_number(pairs) };
    }
}

/// d: how much two windows that follow each other differ, in units in which independent errors differ by 1 in the mean, whatever
/// their rate; none where neither has an error, or one of them no attempts.
#[must_use]
pub fn difference_of(before: Counts, now: Counts) -> Option<f64> {
    let number = |counts: Counts| (as_number(counts.bad), as_number(counts.attempts));
    let ((before_k, before_n), (k, n)) = (number(before), number(now));
    if k + before_k <= 0.0 || n * before_n <= 0.0 {
        return None;
    }
    let difference = k * before_n - before_k * n;
    Some(difference * difference / ((k + before_k) * n * before_n))
}

/// D from window to window, without the present one; at least 1.
#[must_use]
pub fn of_neighbours(sums: BunchSums) -> f64 {
    ((PAIRS_BEFORE + sums.differences) / (PAIRS_BEFORE + as_number(sums.pairs))).max(1.0)
}

/// Of errors that carry a session: bad attempts and the sum over sessions of errors² of the newest windows, this one last; at
/// most [`WINDOWS`] are looked at. At least 1.
#[must_use]
pub fn of_sessions(windows: &[(u64, u64)]) -> f64 {
    let newest = &windows[windows.len().saturating_sub(WINDOWS)..];
    let sum = |of: fn(&(u64, u64)) -> u64| as_number(newest.iter().map(of).fold(0, u64::saturating_add));
    ((sum(|it| it.1) + ERRORS_BEFORE) / (sum(|it| it.0) + ERRORS_BEFORE)).max(1.0)
}
