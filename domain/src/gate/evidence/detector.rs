//! Evidence that a limit is broken (JU-2).

use serde::{Deserialize, Serialize};

use super::counts::{Counts, Limit};
use super::level::{self, Level, mixture};
use super::tail::as_number;

/// How many times its limit a bad version may have: nobody knows, so evidence is the mean over these.
const TIMES: [f64; 7] = [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];

/// Up to this share bad attempts are counted like Poisson's; above it they are what is left of the good ones too.
const SMALL_SHARE: f64 = 0.2;

/// How the policy wants evidence weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Mean windows between two false alarms of a metric that sits exactly at its limit.
    pub certainty: f64,
    /// By how much, as a part, a version's rate may differ between windows.
    pub spread: f64,
}

impl Settings {
    /// The evidence from which on a limit is broken.
    #[must_use]
    pub fn needed(self) -> f64 {
        self.certainty.ln()
    }
}

/// The evidence against one metric in one epoch: a mixture of Shiryaev–Roberts e-detectors (Shin, Ramdas, Rinaldo,
/// *E-detectors: a nonparametric framework for sequential change detection*, 2022) over likelihood ratios of negative
/// binomials, so that hours may differ without being another version.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Detector {
    levels: [Level; TIMES.len()],
}

impl Default for Detector {
    fn default() -> Self {
        Self { levels: [Level::NONE; TIMES.len()] }
    }
}

impl Detector {
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

    /// With a window whose errors are weighed by their design effect; one without attempts says nothing.
    #[must_use]
    pub fn after(self, counts: Counts, design_effect: f64, limit: Limit, settings: Settings) -> Self {
        if counts.attempts == 0 {
            return self;
        }
        let bad = as_number(counts.bad) / design_effect;
        let attempts = as_number(counts.attempts) / design_effect;
        let cap = 2.0 * settings.needed();
        let level = |index: usize| {
            let step = log_likelihood_ratio(TIMES[index], bad, attempts, limit, settings.spread);
            self.levels[index].after(step).at_most(cap)
        };
        Self { levels: std::array::from_fn(level) }
    }

    /// E: ln of the mean over the mixture; `None` before the first window with attempts.
    #[must_use]
    pub fn evidence(&self) -> Option<f64> {
        mixture(&self.levels)
    }
}

/// ln of how much likelier a window is at `times` the limit than at the limit.
fn log_likelihood_ratio(times: f64, bad: f64, attempts: f64, limit: Limit, spread: f64) -> f64 {
    let p0 = limit.p0().value();
    let is_large_share = matches!(limit, Limit::Share(_)) && p0 > SMALL_SHARE;
    if is_large_share {
        let plain = bad * times.ln() - attempts * ((times - 1.0) * p0).ln_1p();
        return plain / (1.0 + attempts * p0 * (spread * spread) / (1.0 - p0));
    }
    of_small_share(times, bad, attempts * p0, spread)
}

/// The same where few of the attempts are bad: of negative binomials of means `times · expected` and `expected`, of shape 1/s².
/// At bad = `times · expected` it is I, what a window of such a version tells in the mean.
#[must_use]
pub fn of_small_share(times: f64, bad: f64, expected: f64, spread: f64) -> f64 {
    let variance = spread * spread;
    let excess = expected * variance;
    let by_bad = bad * (times * (1.0 + excess) / (1.0 + times * excess)).ln();
    let by_attempts = if variance > 0.0 {
        ((1.0 + times * excess) / (1.0 + excess)).ln() / variance
    } else {
        expected * (times - 1.0)
    };
    by_bad - by_attempts
}
