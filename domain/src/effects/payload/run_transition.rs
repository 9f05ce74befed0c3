use serde::{Deserialize, Serialize};
use shared_types::rollout::TransitionKind;
use shared_types::story::hop::ToldBy;
use shared_types::{Epoch, IncidentId, PhaseId, TargetName};
use uuid::Uuid;

use crate::effects::{Effect, RetrySchedule};
use crate::executors::Request;
use crate::executors::stored::OF_RUN;
use crate::executors::users::Asked;
use crate::stored::{Document, Step};

/// Has the policy's executor move the target, then read back what is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunTransition {
    pub transition: Uuid,
    pub target: TargetName,
    pub kind: TransitionKind,
    /// The phase it expects to leave.
    pub from: PhaseId,
    /// The phase to be at afterwards.
    pub to: PhaseId,
    /// The epoch in which it was decided.
    pub epoch: Epoch,
    pub incident: Option<IncidentId>,
    /// What its executor does.
    pub request: Request,
    /// For doing it, and again for reading it back.
    pub timeout_ms: u64,
    /// How long what was set may take to be seen.
    #[serde(default)]
    pub settle_ms: u64,
    /// What users are to get then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Asked>,
}

impl RunTransition {
    /// Of its lanes.
    pub const RECEIVER: &'static str = "command";

    /// Whether what is served is read back before the move counts as done (RB-9).
    #[must_use]
    pub fn reads_back(&self) -> bool {
        self.request.reads_back || self.users.is_some()
    }
}

impl Document for RunTransition {
    const KIND: &'static str = "RunTransition";
    const STEPS: &'static [Step] = &[OF_RUN];
}

impl Effect for RunTransition {
    fn lane(&self) -> String {
        format!("{}/{}", Self::RECEIVER, self.target)
    }

    /// The policy's takes its place; without one, nothing is done twice.
    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([])
    }

    /// The machine escalates a rollback, and ends a move up.
    fn told_if_lost(&self) -> Option<ToldBy> {
        None
    }
}
