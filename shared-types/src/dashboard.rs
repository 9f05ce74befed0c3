//! `reports/monitoring/dashboard.json` and `GET /v1/dashboard` (DA-1).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::{GateProgress, MetricVerdict, Uncounted};
use crate::problem::Blocker;
use crate::rollout::{Freeze, GivenUp, RolloutState, TransitionView, WaitingRollback};
use crate::standing::Standing;
use crate::{Epoch, IncidentId, PhaseId, TargetName, Timestamp, Verdict, Window};

/// All targets at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dashboard {
    pub updated_at: Timestamp,
    /// Grows with every change; a message that says "the dashboard shows it" names the one it waited for.
    pub revision: u64,
    pub targets: Vec<DashboardTarget>,
}

/// One target's cards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DashboardTarget {
    pub target: TargetName,
    /// Its name for people; absent when it has left the policy.
    pub title: Option<String>,
    /// The policy's phases, lowest first; `off` below and `completed` above them are implicit.
    pub phases: Vec<DashboardPhase>,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub state: RolloutState,
    /// The most urgent thing there is to say of it; absent when the target has left the policy.
    #[serde(default)]
    pub standing: Option<Standing>,
    /// The same once `expected_by` has passed without a verdict; absent where that changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_silent: Option<Standing>,
    /// The newest window that was gated.
    pub window: Option<Window>,
    pub verdict: Option<Verdict>,
    /// When the newest decision was made.
    pub decided_at: Option<Timestamp>,
    /// When the next decision is there at the latest; later than that the target is silent. Absent while nothing is
    /// gated.
    pub expected_by: Option<Timestamp>,
    /// DA-3: from the incident's opening until one cycle after its recovery.
    pub rollback_active: bool,
    pub incident: Option<IncidentId>,
    /// Who has frozen it, when and why.
    pub frozen: Option<Freeze>,
    /// A required rollback that does not start by itself, and why.
    pub rollback_waiting: Option<WaitingRollback>,
    /// The newest move, up or down, and how far it is.
    pub transition: Option<TransitionView>,
    /// The end of the recovery watch under way.
    pub watch_until: Option<Timestamp>,
    pub slos: Vec<MetricVerdict>,
    pub gate: Option<GateProgress>,
    /// What of the newest window's telemetry could not be counted; absent, if all could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
    pub approvals_missing: Vec<String>,
    /// All that stands between now and the next move up.
    pub blockers: Vec<Blocker>,
    /// The part of a threshold above which a value warns; absent when the target has left the policy.
    pub warn_ratio: Option<f64>,
    /// What did not get through and nobody tries any more (NO-7); absent, if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<GivenUp>,
}

/// A phase on the track that a rollout follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DashboardPhase {
    pub id: PhaseId,
    pub name: String,
    /// Share of the users who have the feature.
    pub audience_ratio: f64,
}
