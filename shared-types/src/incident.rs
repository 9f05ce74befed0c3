//! What a violation opens.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::rollout::TransitionView;
use crate::{Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};

/// An incident as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    pub id: IncidentId,
    pub target: TargetName,
    /// Phase and epoch in which it opened.
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub state: IncidentState,
    /// A person was paged, nothing moved, and it is not the feature's doing: it closes by itself with the next compliant
    /// window, and no cause is asked for.
    #[serde(default)]
    pub notice: bool,
    /// Recovered because nothing more was violated, which is no proof that all is well: a person was paged about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// The worst violated metric of the decision that opened it.
    pub metric: String,
    pub window: Window,
    /// `P2`, or `P1` once escalated.
    pub priority: String,
    pub opened_at: Timestamp,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<String>,
    /// Until when an acknowledgement is in time.
    pub acknowledge_by: Timestamp,
    /// Whether the first acknowledgement was in time; none while there is none.
    pub acknowledged_in_time: Option<bool>,
    /// When the page is raised unless somebody acknowledges; none once that is settled.
    pub escalates_at: Option<Timestamp>,
    pub escalated_at: Option<Timestamp>,
    pub recovered_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    /// The newest rollback; earlier ones stand in the timeline.
    pub rollback: Option<TransitionView>,
    /// Decisions that belong to it, the opening one first.
    pub decisions: Vec<Uuid>,
    /// The root cause analysis that is asked for (GO-1).
    pub rca: Rca,
    /// The role that confirms it and decides a review, as the policy names it; absent when the target has left the
    /// policy.
    pub approver: Option<String>,
    /// The governance review that opened because the RCA was overdue (GO-2).
    pub review: Option<Review>,
    /// The runbook text rendered for its rollbacks, Markdown.
    pub runbook: Option<String>,
    /// The checklist before the next phase moves up (EV-1).
    pub evidence: Vec<EvidenceItem>,
    pub timeline: Vec<TimelineEntry>,
}

/// Open until its recovery is confirmed; closed once the RCA is confirmed too.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum IncidentState {
    Open,
    Recovered,
    Closed,
}

impl IncidentState {
    /// Whether nothing is left to do about it, its root cause analysis included.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self == Self::Closed
    }

    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The root cause analysis of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rca {
    pub state: RcaState,
    /// Not submitted by then: a governance review opens.
    pub due_at: Timestamp,
    /// Its file, below the reporter's data directory.
    pub file: String,
    /// Where else it is, if anywhere.
    pub link: Option<String>,
    /// What a person found, as submitted.
    pub cause: Option<String>,
    /// What will keep it from happening again, as submitted.
    pub prevention: Option<String>,
    /// `sha256:<hex>` of what was submitted: who confirms names it, so that nothing is confirmed that was not read.
    #[serde(default)]
    pub hash: Option<String>,
    /// How its file stands to what was submitted, where that was looked at: in lists, and before a submission, it is not.
    #[serde(default)]
    pub on_disk: Option<RcaFileState>,
    /// The newest submission.
    pub submitted_at: Option<Timestamp>,
    pub submitted_by: Option<String>,
    /// Whether the first submission was in time; none while there is none.
    pub in_time: Option<bool>,
    pub confirmed_at: Option<Timestamp>,
    pub confirmed_by: Option<String>,
    /// What was said with the confirmation.
    pub comment: Option<String>,
    /// `hash` of what was confirmed; none where an earlier release confirmed it.
    #[serde(default)]
    pub confirmed_hash: Option<String>,
}

/// How the file of a root cause analysis stands to what was submitted, which alone can be confirmed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RcaFileState {
    /// Not on this reporter's disk.
    Absent,
    /// It says what was submitted.
    AsSubmitted,
    /// Cause or prevention were changed in it, or their markers are lost.
    Differs,
    /// It cannot be read.
    Unreadable,
}

/// How far a root cause analysis is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RcaState {
    /// Its file is not prepared yet.
    Missing,
    /// The file is prepared; cause and prevention are asked of a person.
    Draft,
    /// Cause and prevention are there.
    Submitted,
    /// Governance has confirmed it.
    Confirmed,
}

impl RcaState {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What governance decides when the root cause analysis is overdue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    pub state: ReviewState,
    pub recommendation: Recommendation,
    pub opened_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub decided_by: Option<String>,
    pub comment: Option<String>,
    /// The rollback that an approval forced, as it was asked for; the timeline tells what came of it.
    pub rollback: Option<ForcedRollback>,
}

/// Where a review stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ReviewState {
    /// Waits for governance.
    Open,
    /// The rollback was forced.
    Approved,
    /// The phase stays.
    Declined,
    /// The RCA was confirmed before anybody decided.
    Void,
}

impl ReviewState {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a review recommends; governance is free in its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// Go back one phase.
    Rollback,
    /// Stay: the RCA has come meanwhile, or there is no phase to go back to.
    Stay,
}

/// A rollback that a review's approval forced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForcedRollback {
    pub transition: Uuid,
    pub from: PhaseId,
    pub to: PhaseId,
}

/// An item of the checklist of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceItem {
    /// As the policy names it.
    pub item: String,
    /// The role that signs it.
    pub owner: String,
    /// Whether the system checks it.
    pub auto: bool,
    pub state: EvidenceState,
    /// What the system's check found; of a signed item as it was then.
    pub figures: Option<String>,
    /// The facts that `figures` puts into words; none of a signed item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures_data: Vec<serde_json::Value>,
    /// Where the evidence is, as the signer says.
    pub link: Option<String>,
    pub signer: Option<String>,
    /// When it was signed.
    pub at: Option<Timestamp>,
    pub comment: Option<String>,
    /// A follow-up, and whether it is done.
    pub task: Option<String>,
    pub task_done: Option<bool>,
    /// What keeps it from being complete: items it waits for, what the check does not find.
    pub missing: Vec<String>,
    /// The facts of the last of `missing`, where the check does not find it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub missing_data: serde_json::Value,
}

/// Where an item of the checklist stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EvidenceState {
    /// Waits for its owner's signature, or for the check to hold.
    Open,
    /// Waits for other items.
    Waiting,
    /// The system's check holds and nobody has to sign.
    Satisfied,
    /// A person signed.
    Signed,
}

impl EvidenceState {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Satisfied | Self::Signed)
    }

    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The checklist of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceBundle {
    pub incident: IncidentId,
    pub target: TargetName,
    /// Until it is, no phase moves up (EV-3).
    pub complete: bool,
    /// Items that are not complete, with their owners.
    pub missing: Vec<String>,
    pub items: Vec<EvidenceItem>,
}

/// One hop of an incident, with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    pub at: Timestamp,
    /// `batch_window_ended`, `decided`, `decision_received`, `incident_opened`, `command_started`, …
    pub kind: String,
    /// One sentence for people.
    pub detail: String,
    /// What happened, as data: `hop` names its form, `how` which of its sentences it is; the rest are its facts and links
    /// (decision, transition, notification, exit status, …). Without `hop` where an earlier release logged it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}
