//! `GET /v1/targets/{target}/verdict`: whether a rollout is well, in one word, for whoever moves it beside Phasegate and for
//! pipelines.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::decision::known_or_unsure;
use crate::problem::Blocker;
use crate::{Epoch, IncidentId, PhaseId, TargetName, Timestamp, Verdict, Window};

/// What is known of a target in its present phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetVerdict {
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    /// That of the newest judged window, and never better than what is known besides. `violation` as well: a rollback waits, is under
    /// way, has failed or has just been made. `unsure` as well: the window is compliant, and an incident is open, the target is
    /// frozen or drifted, or whatever else stands says that not all is fine. `insufficient` as well: proof has been missing for longer
    /// than is tolerated.
    #[serde(deserialize_with = "known_or_unsure")]
    pub verdict: Verdict,
    /// `ok` or `warn`.
    pub ok: bool,
    /// `insufficient` or `unsure`: neither shown to be well nor to be bad.
    pub insufficient: bool,
    /// To be taken back now by whoever moves it: the policy asks for that, or a rollback is under way, has failed or has just been
    /// made. Not while one waits: then a person or the policy says that nothing is taken back by itself.
    pub roll_back: bool,
    /// The newest judged window of this epoch. Null only where a rollback is told of and no fresh decision is there.
    #[schema(required = true)]
    pub window: Option<Window>,
    /// The decision about it.
    #[schema(required = true)]
    pub decision_id: Option<Uuid>,
    #[schema(required = true)]
    pub decided_at: Option<Timestamp>,
    /// All that stands between now and the next move up; most of it says nothing against the version.
    pub blockers: Vec<Blocker>,
    /// The open one.
    #[schema(required = true)]
    pub incident: Option<IncidentId>,
}
