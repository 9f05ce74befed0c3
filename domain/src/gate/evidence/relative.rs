//! Evidence that a version is worse than its control group (JU-9b).

use super::counts::Counts;
use super::level::{self, Level, mixture};
use super::tail::{as_number, at_least};

/// What "no worse than the control" leaves room for.
const NO_WORSE: f64 = 1.25;

/// How many times the control's rate a bad version may have.
const TIMES: [f64; 5] = [1.5, 2.0, 3.0, 5.0, 10.0];

/// The evidence against "at most 1.25 times the control's rate": given how many were bad in both groups together, the
/// exposed group's part is binomial (the conditional test of two Poisson rates, Przyborowski and Wilenski 1940).
#[derive(Debug, Clone, PartialEq)]
pub struct RelativeDetector {
    levels: [Level; TIMES.len()],
}

impl Default for RelativeDetector {
    fn default() -> Self {
        Self { levels: [Level::NONE; TIMES.len()] }
    }
}

/// How likely a version that is no worse than its control group has so large a part of what is bad, or a larger one.
#[must_use]
pub fn odds_of_part(exposed: Counts, control: Counts) -> f64 {
    let part = exposed_part(NO_WORSE, exposed.attempts, control.attempts);
    at_least(exposed.bad, exposed.bad.saturating_add(control.bad), part)
}

/// The exposed group's part of what is bad, where its rate is `times` the control's.
fn exposed_part(times: f64, exposed: u64, control: u64) -> f64 {
    let weighted = times * as_number(exposed);
    weighted / (weighted + as_number(control))
}

impl RelativeDetector {
    /// As [`Self::levels`] says; what is not there has not begun.
    #[must_use]
    pub fn resume(levels: &[Option<f64>]) -> Self {
        Self { levels: level::resume(levels) }
    }

    /// m of each ratio.
    #[must_use]
    pub fn levels(&self) -> Vec<Option<f64>> {
        level::values(&self.levels)
    }

    /// Takes a window into account; one without a bad attempt, or where one group has no attempts, says nothing.
    pub fn take(&mut self, exposed: Counts, control: Counts) {
        if exposed.attempts == 0 || control.attempts == 0 || exposed.bad + control.bad == 0 {
            return;
        }
        let (k, k_control) = (as_number(exposed.bad), as_number(control.bad));
        let part = |times| exposed_part(times, exposed.attempts, control.attempts);
        let no_worse = part(NO_WORSE);
        for (level, times) in std::iter::zip(&mut self.levels, TIMES) {
            let worse = part(times);
            let step = k * (worse / no_worse).ln() + k_control * ((1.0 - worse) / (1.0 - no_worse)).ln();
            *level = level.after(step);
        }
    }

    /// R: ln of the mean over the mixture; `None` before the first window that says something.
    #[must_use]
    pub fn evidence(&self) -> Option<f64> {
        mixture(&self.levels)
    }
}
