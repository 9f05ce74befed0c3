//! `governance/policy.yaml`, parsed once into types that cannot hold a wrong value (PO-1).
//!
//! Pure: text in, types or an error that names file, line, path and what was expected out.

mod at;
mod check;
pub mod command;
pub mod diff;
pub mod draft;
mod error;
mod parse;
pub mod part;
pub mod place;
mod raw;
pub mod render;
pub mod schema;
mod succession;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod units;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared_types::decision::ViolationAction;
use shared_types::{PhaseId, TargetName};

use crate::gate::metric::Metric;
use crate::kinds::{Chosen, Kinds};
use crate::sources::SourceSettings;

pub use error::{PolicyError, WrongPolicy};
pub use succession::Standing;

/// The placeholders that commands may use. The executor fills all of them, see [`command::command_values`].
pub const COMMAND_PLACEHOLDERS: [&str; 7] =
    ["target", "phase", "prev", "next", "audience", "incident", "reason"];

/// A whole policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What it was read by; other versions of it are read by the same.
    pub kinds: Arc<Kinds>,
    /// The file's text as it was read.
    pub text: Arc<str>,
    /// `sha256:<hex>` over the file's bytes; the version that decisions name.
    pub version: String,
    pub targets: BTreeMap<TargetName, TargetPolicy>,
    pub retention: Retention,
}

/// By what they say.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let Self { kinds: _, text, version, targets, retention } = self;
        (text, version, targets, retention) == (&other.text, &other.version, &other.targets, &other.retention)
    }
}

/// Everything about one target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPolicy {
    pub title: String,
    pub collection: Collection,
    /// In the file's order.
    pub metrics: Vec<MetricPolicy>,
    pub gate: GatePolicy,
    /// In order, lowest first; at least one.
    pub phases: Vec<PhasePolicy>,
    pub transitions: Transitions,
    pub notifications: Notifications,
    pub paging: Paging,
    pub rca: RcaPolicy,
    pub evidence: Vec<EvidenceItem>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub source: Chosen<dyn SourceSettings>,
    pub window: Duration,
    pub grace: Duration,
    pub delayed_after: Duration,
    pub retry: Vec<Duration>,
    pub source_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricPolicy {
    pub name: String,
    pub kind: Chosen<dyn Metric>,
    pub display: DisplayUnit,
    pub on_violation: ViolationAction,
}

/// How a metric's values are shown: the policy's thresholds are parsed into the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayUnit {
    Seconds,
    Milliseconds,
    Percent,
    Number,
}

impl DisplayUnit {
    /// `s`, `ms`, `%` or empty.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::Number => "",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct GatePolicy {
    /// 0 < ratio < 1.
    pub warn_ratio: f64,
    pub min_samples: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PhasePolicy {
    pub id: PhaseId,
    pub name: String,
    /// Share of users, percent.
    pub audience_percent: f64,
    /// One per metric, by metric name, in the metric's display unit.
    pub thresholds: BTreeMap<String, f64>,
    pub advance: Advance,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    pub condition: AdvanceCondition,
    /// At most so many incidents or pages in the epoch; `None` = not asked.
    pub critical_alerts: Option<u64>,
    /// At most so many incident notifications in the time of the condition; `None` = not asked.
    pub incident_notifications: Option<u64>,
    pub approvals: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceCondition {
    CompliantBatches(u64),
    CompliantFor(Duration),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Transitions {
    /// Argument vectors with placeholders `{target} {phase} {prev} {next} {audience} {incident} {reason}`.
    pub rollback: Vec<String>,
    pub promote: Vec<String>,
    /// A command whose trimmed output must be the phase now served.
    pub verify: Option<Vec<String>>,
    pub timeout: Duration,
    pub retry: Vec<Duration>,
    pub recovery_watch: Duration,
    pub recovery_cadence: Duration,
    pub budget: RollbackBudget,
}

/// How many rollbacks may start by themselves in how much time; the next one waits and a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackBudget {
    /// At least 1.
    pub automatic_rollbacks: u64,
    pub per: Duration,
}

impl Default for RollbackBudget {
    /// Six a day: two incidents that each go from the last phase down to `off`.
    fn default() -> Self {
        Self { automatic_rollbacks: 6, per: Duration::from_secs(24 * 60 * 60) }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Notifications {
    /// Directory of the templates, relative to the working directory.
    pub templates: String,
    /// Placeholder → metric name.
    pub values: BTreeMap<String, String>,
    pub ok: NotificationPolicy,
    pub warn: NotificationPolicy,
    pub incident: NotificationPolicy,
    pub rollback: NotificationPolicy,
    pub escalation_channel: String,
    pub daily_report: Option<DailyReport>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NotificationPolicy {
    /// Template id = file name without `.txt`.
    pub template: String,
    /// A Slack channel with `#`, or `runbook`.
    pub channel: String,
    /// Where it is sent by itself.
    pub phases: Vec<PhaseId>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DailyReport {
    pub phases: Vec<PhaseId>,
    /// `HH:MM`
    pub at: String,
    pub time_zone: String,
    pub channel: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Paging {
    pub service: String,
    pub priority: String,
    pub acknowledge_within: Duration,
    pub escalate_after: Duration,
    pub escalate_to: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RcaPolicy {
    pub due: Duration,
    pub approver: String,
    /// What an overdue RCA proposes; only `rollback` is known.
    pub overdue_proposes_rollback: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceItem {
    pub item: String,
    pub owner: String,
    pub auto: bool,
    pub after: Vec<String>,
}

/// How long history is kept; `None` = forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub batches: Option<Duration>,
    pub decisions: Option<Duration>,
    pub notifications: Option<Duration>,
    pub audit: Option<Duration>,
}

/// The phase below and above, `off` and `completed` included (PH-1).
impl TargetPolicy {
    /// The phase with this id; `None` for `off`, `completed` and unknown ids.
    #[must_use]
    pub fn phase(&self, id: &PhaseId) -> Option<&PhasePolicy> {
        self.phases.iter().find(|phase| &phase.id == id)
    }

    /// Where a phase stands: 0 = `off`, 1 = the first, …, `completed` last; `None` for an unknown id.
    #[must_use]
    pub fn position(&self, id: &PhaseId) -> Option<usize> {
        match self.phases.iter().position(|phase| &phase.id == id) {
            Some(index) => Some(index + 1),
            None if id.is_off() => Some(0),
            None if id.is_completed() => Some(self.phases.len() + 1),
            None => None,
        }
    }

    /// The share of users in a phase, percent: 0 in `off` and unknown phases, the last phase's in `completed`.
    #[must_use]
    pub fn audience_percent(&self, id: &PhaseId) -> f64 {
        let phase = if id.is_completed() { self.phases.last() } else { self.phase(id) };
        phase.map_or(0.0, |phase| phase.audience_percent)
    }

    /// One phase down: C→B, B→A, A→off; from `completed` the last phase; `None` from `off` or an unknown id.
    #[must_use]
    pub fn below(&self, id: &PhaseId) -> Option<PhaseId> {
        if id.is_completed() {
            return self.phases.last().map(|phase| phase.id.clone());
        }
        let at = self.phases.iter().position(|phase| &phase.id == id)?;
        Some(at.checked_sub(1).map_or_else(PhaseId::off, |below| self.phases[below].id.clone()))
    }

    /// One phase up: off→A, A→B, C→completed; `None` from `completed` or an unknown id.
    #[must_use]
    pub fn above(&self, id: &PhaseId) -> Option<PhaseId> {
        if id.is_off() {
            return self.phases.first().map(|phase| phase.id.clone());
        }
        let at = self.phases.iter().position(|phase| &phase.id == id)?;
        Some(self.phases.get(at + 1).map_or_else(PhaseId::completed, |above| above.id.clone()))
    }
}
