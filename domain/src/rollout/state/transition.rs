//! A move of one phase, up or down.

use crate::executors::Request;
use serde::{Deserialize, Serialize};
use shared_types::rollout::{TransitionKind, TransitionState, TransitionView};
use shared_types::{Epoch, IncidentId, PhaseId, Timestamp};
use uuid::Uuid;

/// Who initiates what nobody asked for by hand.
pub const ITSELF: &str = "phasegate";

/// A move of one phase, up or down, written down whole before its first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub id: Uuid,
    pub kind: TransitionKind,
    pub from: PhaseId,
    pub to: PhaseId,
    /// The epoch it leaves.
    pub epoch: Epoch,
    pub state: TransitionState,
    /// What its executor does.
    pub request: Request,
    /// What a person would type.
    pub human: String,
    /// `phasegate` or a person.
    pub initiator: String,
    /// The violated metric, or the person's words.
    pub reason: String,
    pub incident: Option<IncidentId>,
    pub requested_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Starts.
    pub attempts: u32,
    /// What the last failed attempt said, or the report of the successful one.
    pub output: Option<String>,
    /// What was read back.
    pub verified: Option<String>,
}

impl Transition {
    /// Whether nobody asked for it by hand.
    #[must_use]
    pub fn is_by_itself(&self) -> bool {
        self.initiator == ITSELF
    }

    /// Whether the start of this attempt is written down: by the commit that asked for the move, or by its executor.
    #[must_use]
    pub fn is_started(&self, attempt: u32) -> bool {
        self.state == TransitionState::Running && self.attempts == attempt
    }

    /// It is over without its phase being reached.
    pub fn fail(&mut self, at: Timestamp) {
        self.state = TransitionState::Failed;
        self.finished_at = Some(at);
    }

    /// As the API shows it.
    #[must_use]
    pub fn view(&self) -> TransitionView {
        TransitionView {
            from: self.from.clone(),
            to: self.to.clone(),
            state: self.state,
            command: self.human.clone(),
            initiator: self.initiator.clone(),
            reason: self.reason.clone(),
            attempts: self.attempts,
            output: self.output.clone(),
            verified: self.verified.clone(),
        }
    }
}
