//! The recovery watch after a rollback (RB-6), and the coverage that ends an incident without one.

use std::time::Duration;

use crate::policy::TargetPolicy;
use serde::{Deserialize, Serialize};
use shared_types::decision::ViolationAction;
use shared_types::{Decision, Epoch, Timestamp, Verdict};

/// Looks at every gated batch of the epoch after a rollback until one ends at or after `until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    pub epoch: Epoch,
    pub until: Timestamp,
    /// Without a batch that reaches `until` by then, nothing confirms the recovery. None once one did.
    pub deadline: Option<Timestamp>,
    pub compliant: u32,
    pub violations: u32,
    /// Whether one of the violations asks for a rollback.
    pub rollback_asked: bool,
    /// The newest violation.
    pub blame: Option<Box<Decision>>,
}

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    Recovered,
    Unrecovered,
}

impl Watch {
    /// Begins when the rollback has succeeded.
    #[must_use]
    pub fn begin(policy: &TargetPolicy, epoch: Epoch, now: Timestamp) -> Self {
        let (transitions, collection) = (&policy.transitions, &policy.collection);
        let until = now.plus(transitions.recovery_watch);
        let leeway = transitions.recovery_cadence + collection.delayed_after + collection.grace;
        Self {
            epoch,
            until,
            deadline: Some(until.plus(leeway)),
            compliant: 0,
            violations: 0,
            rollback_asked: false,
            blame: None,
        }
    }

    /// Takes a gated decision of the watch's epoch. `insufficient`, `unsure` and `hold` neither confirm nor refute.
    pub fn observe(&mut self, decision: &Decision) -> Option<WatchEnd> {
        match (decision.verdict, decision.action) {
            (Verdict::Ok | Verdict::Warn, _) => self.compliant += 1,
            (Verdict::Insufficient | Verdict::Unsure, _)
            | (Verdict::Violation, Some(ViolationAction::Hold)) => {}
            (Verdict::Violation, action) => {
                self.violations += 1;
                self.rollback_asked |= asks_rollback(decision, action);
                self.blame = Some(blame(decision));
            }
        }
        if decision.window.end < self.until {
            return None;
        }
        self.deadline = None;
        match (self.violations, self.compliant) {
            (0, 0) => None,
            (0, _) => Some(WatchEnd::Recovered),
            _ => Some(WatchEnd::Unrecovered),
        }
    }

    /// Whether the deadline has passed without a batch that could confirm.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// What texts need of a decision: all but the evidence, which the decisions table keeps.
#[must_use]
pub fn blame(decision: &Decision) -> Box<Decision> {
    Box::new(Decision { evidence: None, ..decision.clone() })
}

/// Whether a violation asks for a rollback.
#[must_use]
pub fn asks_rollback(decision: &Decision, action: Option<ViolationAction>) -> bool {
    decision.rollback_required || action == Some(ViolationAction::Rollback)
}

/// For an incident that only pages: compliant window time since its last violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub needed_ms: u64,
    pub compliant_ms: u64,
}

impl Coverage {
    /// As long as a recovery watch.
    #[must_use]
    pub fn begin(policy: &TargetPolicy) -> Self {
        Self { needed_ms: millis(policy.transitions.recovery_watch), compliant_ms: 0 }
    }

    /// Until the next compliant window (JU-17).
    #[must_use]
    pub fn until_compliant() -> Self {
        Self { needed_ms: 1, compliant_ms: 0 }
    }

    /// Takes a gated decision; true when enough time is covered.
    pub fn observe(&mut self, decision: &Decision) -> bool {
        match decision.verdict {
            Verdict::Ok | Verdict::Warn => self.compliant_ms += millis(decision.window.length()),
            Verdict::Insufficient | Verdict::Unsure => {}
            Verdict::Violation => self.compliant_ms = 0,
        }
        self.compliant_ms >= self.needed_ms
    }
}

/// Whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
