//! The design effect: of so many errors, how many are independent (JU-14).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::tail::as_number;

/// This window and the sixteen before it.
const WINDOWS: usize = 17;
/// Pairs of neighbours that are looked at.
const PAIRS: usize = 96;
/// A pair counts for no more: one step up is one step.
const PAIR_MAX: f64 = 9.0;
/// Before anything is known, the estimate is 1 with the weight of so many errors, or pairs.
const ERRORS_BEFORE: f64 = 2.0;
const PAIRS_BEFORE: f64 = 8.0;

/// What the estimate stands on, within one epoch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bunches {
    /// Bad attempts and the sum over sessions of errors², oldest first.
    sessions: VecDeque<(u64, u64)>,
    /// How much neighbours differ, in units in which independent errors differ by 1 in the mean.
    pairs: VecDeque<f64>,
    last: Option<(u64, u64)>,
}

impl Bunches {
    /// The design effect of a window with attempts: at least 1. `squares` is the sum over sessions of errors² where the
    /// bad events carry sessions; else windows are compared with their neighbours, this one with the next.
    pub fn take(&mut self, counts: Counts, squares: Option<u64>) -> f64 {
        match squares {
            Some(squares) => self.of_sessions(counts.bad, squares),
            None => self.of_neighbours(counts),
        }
    }

    fn of_sessions(&mut self, bad: u64, squares: u64) -> f64 {
        self.sessions.push_back((bad, squares));
        if self.sessions.len() > WINDOWS {
            self.sessions.pop_front();
        }
        let sum = |of: fn(&(u64, u64)) -> u64| as_number(self.sessions.iter().map(of).sum());
        ((sum(|it| it.1) + ERRORS_BEFORE) / (sum(|it| it.0) + ERRORS_BEFORE)).max(1.0)
    }

    fn of_neighbours(&mut self, counts: Counts) -> f64 {
        let known = as_number(u64::try_from(self.pairs.len()).unwrap_or(u64::MAX));
        let design = (PAIRS_BEFORE + self.pairs.iter().sum::<f64>()) / (PAIRS_BEFORE + known);
        let (k, n) = (as_number(counts.bad), as_number(counts.attempts));
        if let Some((before_k, before_n)) = self.last.map(|(k, n)| (as_number(k), as_number(n)))
            && k + before_k > 0.0
        {
            let difference = k * before_n - before_k * n;
            let pair = difference * difference / ((k + before_k) * n * before_n);
            self.pairs.push_back(pair.min(PAIR_MAX));
            if self.pairs.len() > PAIRS {
                self.pairs.pop_front();
            }
        }
        self.last = Some((counts.bad, counts.attempts));
        design.max(1.0)
    }
}
