//! One target's journey through its phases, as the reporter shows it.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use utoipa::ToSchema;

use crate::decision::{GateProgress, Uncounted};
use crate::problem::Blocker;
use crate::standing::Standing;
use crate::{Directive, Epoch, IncidentId, PhaseId, TargetName, Timestamp};

/// A rollout's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub state: RolloutState,
    /// The most urgent thing there is to say of it; a release before 0.1 does not say it.
    #[serde(default)]
    #[schema(required = false)]
    pub standing: Option<Standing>,
    /// When the current epoch began.
    pub since: Option<Timestamp>,
    /// Who has frozen it, when and why; none: nobody.
    pub frozen: Option<Freeze>,
    /// What the flag system serves in place of the phase on record; null: as recorded, as far as it is read back.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// A required rollback that does not start by itself, and why.
    pub rollback_waiting: Option<WaitingRollback>,
    /// How many rollbacks have started by themselves, and how many may.
    pub automatic_rollbacks: AutomaticRollbacks,
    /// The command under way, if any.
    pub transition: Option<TransitionView>,
    pub incident: Option<IncidentId>,
    pub gate: Option<GateProgress>,
    /// What of the newest window's telemetry could not be counted; absent, if all could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
    /// Approvals of the next move up that count: of this epoch, phase and policy version.
    pub approvals: Vec<Approval>,
    /// Approvals that count no more, with why; the newest first, the last few.
    pub approvals_void: Vec<VoidApproval>,
    /// Roles whose approval the next move needs and has not got.
    pub approvals_missing: Vec<String>,
    /// All that stands between now and the next move up.
    pub blockers: Vec<Blocker>,
    pub directive: Option<Directive>,
    /// What did not get through and nobody tries any more (NO-7); absent, if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<GivenUp>,
}

/// A message, page or document that was given up. `POST /v1/effects/{effect}/retry` has it tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenUp {
    pub effect: String,
    /// Of effect, such as `TriggerPage`.
    pub kind: String,
    /// Where it was to go.
    pub lane: String,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    pub reason: String,
    pub at: Timestamp,
}

/// Somebody's approval of the next move up. It counts as long as target, phase, epoch and policy are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// One of those that the phase's `advance.approvals` names.
    pub role: String,
    pub by: String,
    pub at: Timestamp,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub policy_version: String,
    pub comment: Option<String>,
}

/// An approval that counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoidApproval {
    #[serde(flatten)]
    pub approval: Approval,
    pub void_since: Timestamp,
    pub why: VoidReason,
}

/// Why an approval counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// The rollout has moved, up or down: another epoch.
    Moved,
    /// Another version of the policy is in force.
    PolicyChanged,
    /// Whoever gave it took it back.
    Withdrawn,
}

impl VoidReason {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "the rollout has moved",
            Self::PolicyChanged => "the policy has changed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A freeze: no move in either direction but a rollback by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Freeze {
    pub by: String,
    pub at: Timestamp,
    pub reason: String,
}

/// Something else is served than the phase on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// As it was read back: a phase, a share, or whatever stood there.
    pub served: String,
    pub since: Timestamp,
    /// More users have it than the record says, or nobody can tell that it is not so.
    pub upward: bool,
}

/// A rollback that is required and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingRollback {
    pub from: PhaseId,
    pub to: PhaseId,
    pub why: HoldReason,
    pub since: Timestamp,
    /// When it starts by itself, if nobody rolls back by hand before; none: when the freeze ends.
    pub until: Option<Timestamp>,
    /// In words.
    pub detail: String,
    /// The facts that `detail` puts into words, as far as they are known.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
    /// What a person types to have it now.
    pub command: String,
}

/// The budget of rollbacks that start by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AutomaticRollbacks {
    /// In the last `per_ms`.
    pub started: u64,
    pub allowed: u64,
    pub per_ms: u64,
}

/// Why a required rollback does not start by itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HoldReason {
    /// The target is frozen.
    Frozen,
    /// As many as the policy allows have started by themselves: a person is asked.
    Budget,
    /// It was asked for in a storm of incidents, in which nothing is rolled back by itself: a person is asked.
    Storm,
}

impl HoldReason {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where a rollout stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RolloutState {
    /// In a phase, no incident open.
    Running,
    /// An incident is open.
    Incident,
    /// No move in either direction but by hand.
    Frozen,
    /// Above the last phase.
    Completed,
    /// Below the first phase.
    Off,
}

impl RolloutState {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A promote or rollback command and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransitionView {
    pub from: PhaseId,
    pub to: PhaseId,
    pub state: TransitionState,
    /// The human form.
    pub command: String,
    /// Who asked for it: `phasegate` itself or a person.
    pub initiator: String,
    pub reason: String,
    /// Starts of the command.
    pub attempts: u32,
    /// What the last failed attempt said, or the report of the successful one.
    pub output: Option<String>,
    /// What was read back; absent without a read-back.
    pub verified: Option<String>,
}

/// Which way a transition goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TransitionKind {
    Promote,
    Rollback,
}

impl TransitionKind {
    /// As on the wire; also the metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How far a command is. "done" is only said after the read-back, where there is one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TransitionState {
    /// Required, and not started by itself: see `rollback_waiting`.
    Waiting,
    Requested,
    Running,
    Succeeded,
    Failed,
}

impl TransitionState {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
