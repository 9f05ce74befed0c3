//! The verdict of a metric with attempts, once its window has been weighed: the tables of JU-3, JU-7 and JU-9.

use shared_types::Verdict;
use shared_types::decision::ControlFinding;

use crate::policy::OnRegression;

/// What is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// None may be bad, and some were.
    pub(super) none_allowed: bool,
    /// The window, or the newest ones with enough attempts, lie above the limit.
    pub(super) over: bool,
    /// The newest sixteen windows together do.
    pub(super) together_over: bool,
    /// The evidence is as much as is needed.
    pub(super) proven: bool,
    /// The control group is as bad, or leans to it: nothing is held against the version.
    pub(super) outside: bool,
    /// The version is far worse than the control group.
    pub(super) worse: bool,
    /// The control group fell with the version, just after a move up.
    pub(super) fell: bool,
    pub(super) on_regression: OnRegression,
    /// What its value says by itself: `ok` or `warn`.
    pub(super) level: Verdict,
}

impl Standing {
    /// The verdict, and what the control group made of it.
    pub(super) fn verdict(self) -> (Verdict, Option<ControlFinding>) {
        use ControlFinding::{Outside, Regression, Surroundings};
        let regressed = self.worse && self.on_regression != OnRegression::Ignore;
        match self {
            Self { none_allowed: true, .. } => (Verdict::Violation, None),
            Self { outside: true, over: true, worse: true, .. } => (Verdict::Violation, Some(Regression)),
            Self { outside: true, over: true, .. } => (Verdict::Unsure, Some(Outside)),
            Self { outside: true, .. } => (self.level, None),
            Self { over: true, proven: true, fell, .. } => (Verdict::Violation, fell.then_some(Surroundings)),
            // It was bad and this window is not: no rollback on old news.
            Self { proven: true, .. } => (Verdict::Unsure, None),
            Self { on_regression: OnRegression::Rollback, .. } if regressed => {
                (Verdict::Violation, Some(Regression))
            }
            _ if regressed => (Verdict::Unsure, Some(Regression)),
            Self { over: false, .. } => (self.level, None),
            Self { together_over: true, .. } => (Verdict::Unsure, None),
            _ => (Verdict::Warn, None),
        }
    }
}
