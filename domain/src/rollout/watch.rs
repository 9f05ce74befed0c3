//! The recovery watch after a rollback (RB-6), and the coverage that ends an incident without one.

use std::time::Duration;

use crate::policy::TargetPolicy;
use serde::{Deserialize, Serialize};
use shared_types::decision::{StayOver, ViolationAction};
use shared_types::{Decision, Epoch, Timestamp, Verdict};

/// Below these odds the windows put together are over a limit, and no chance (JU-11).
const CHANCE: f64 = 0.05;

/// Looks at every gated batch of the epoch after a rollback until one ends at or after `until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    pub epoch: Epoch,
    pub until: Timestamp,
    /// By evidence it goes on for so long at most, while it cannot be told (JU-11). None: by the letter of RB-6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Timestamp>,
    /// Without a batch that reaches `until` by then, nothing confirms the recovery. None once one did.
    pub deadline: Option<Timestamp>,
    pub compliant: u32,
    pub violations: u32,
    /// Whether one of the violations asks for a rollback.
    pub rollback_asked: bool,
    /// The newest violation, or what is over its limit by more than chance.
    pub blame: Option<Box<Decision>>,
}

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    Recovered,
    Unrecovered,
    /// Nothing is violated, and nothing is proven either.
    Unproven,
}

impl Watch {
    /// Begins when the rollback has succeeded.
    #[must_use]
    pub fn begin(policy: &TargetPolicy, epoch: Epoch, now: Timestamp) -> Self {
        let (transitions, collection) = (&policy.transitions, &policy.collection);
        let until = now.plus(transitions.recovery_watch);
        let longest = policy.gate.judge.weighs().then(|| until.plus(transitions.recovery_watch));
        // What prolongs it are windows of the policy's length.
        let last = longest.map_or(transitions.recovery_cadence, |_| collection.window);
        let leeway = last.max(transitions.recovery_cadence) + collection.delayed_after + collection.grace;
        Self {
            epoch,
            until,
            longest,
            deadline: Some(longest.unwrap_or(until).plus(leeway)),
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
        if let Some(longest) = self.longest {
            return self.weigh(decision, longest);
        }
        self.deadline = None;
        match (self.violations, self.compliant) {
            (0, 0) => None,
            (0, _) => Some(WatchEnd::Recovered),
            _ => Some(WatchEnd::Unrecovered),
        }
    }

    /// JU-11: the epoch began with the watch, so its whole stay is what the watch has seen.
    fn weigh(&mut self, decision: &Decision, longest: Timestamp) -> Option<WatchEnd> {
        // As violations of those: what only holds the promotion neither confirms nor refutes.
        let action = |over: &StayOver| {
            let metric = decision.metrics.iter().find(|it| it.metric == over.metric);
            metric.map(|it| it.on_violation).filter(|action| *action > ViolationAction::Hold)
        };
        let stay = decision.gate.iter().flat_map(|gate| &gate.stay_over);
        let over: Vec<_> = stay.filter_map(|it| Some((it, action(it)?))).collect();
        let beyond = over.iter().filter(|(it, _)| it.luck.is_some_and(|luck| luck < CHANCE));
        if self.violations == 0 && beyond.clone().next().is_some() {
            let violated = beyond.clone().map(|(it, _)| it.metric.clone()).collect();
            self.blame = Some(Box::new(Decision { violated, ..*blame(decision) }));
            self.rollback_asked = beyond.clone().any(|(_, action)| *action == ViolationAction::Rollback);
        }
        let within = over.is_empty() && self.compliant > 0 && decision.verdict != Verdict::Unsure;
        match &self.blame {
            Some(_) => Some(WatchEnd::Unrecovered),
            None if within => Some(WatchEnd::Recovered),
            None if decision.window.end >= longest => Some(WatchEnd::Unproven),
            None => None,
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
