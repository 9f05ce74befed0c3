//! Why an event changes nothing.

use serde::Serialize;
use shared_types::problem::ProblemCode;
use shared_types::{Epoch, IncidentId, PhaseId, TargetName, Timestamp};
use uuid::Uuid;

use super::blocker::Blocker;

/// A refusal, with everything that is in the way, by name (PH-5).
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    pub refusal: Refusal,
    pub blockers: Vec<Blocker>,
}

/// Kinds of [`Rejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A phase was named that is not the current one (RB-7).
    WrongPhase,
    /// There is no phase above or below.
    NoSuchMove,
    /// Conditions of the move are not met; the blockers say which.
    Blocked,
    /// The transition is not the one under way any more.
    Superseded,
    /// What was asked for was asked of an earlier epoch or policy.
    Outdated,
    /// The approval that was to be taken back is not there.
    NoApproval,
    /// The event needs an incident.
    NoIncident,
    /// The incident is in a state in which this cannot happen.
    IncidentState,
    /// The checklist has no such item.
    NoSuchItem,
    /// A text it would send cannot be rendered (NO-2).
    Unrenderable,
    /// What it claims cannot be so (OP-4).
    Implausible,
    /// It is of a past that this store does not hold: it has to wait for a person (OP-3).
    Behind,
}

/// What is refused, with its facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    WrongPhase {
        target: TargetName,
        phase: PhaseId,
        named: PhaseId,
    },
    NothingAbove {
        phase: PhaseId,
    },
    NothingBelow {
        phase: PhaseId,
    },
    /// A review's approval has nothing to force.
    NothingToForce {
        target: TargetName,
        phase: PhaseId,
    },
    Started {
        phase: PhaseId,
    },
    NotStarted,
    CannotStart,
    CannotMoveUp {
        phase: PhaseId,
    },
    MoveUnderWay,
    RollbackUnderWay,
    SamePersonApproves {
        by: String,
        earlier: String,
        role: String,
    },
    ApprovalNotAsked {
        phase: PhaseId,
        wanted: Vec<String>,
        role: String,
    },
    NoApproval {
        by: String,
        role: String,
    },
    OtherEpoch {
        target: TargetName,
        asked: Epoch,
        epoch: Epoch,
    },
    OtherPolicy {
        version: String,
    },
    TransitionSuperseded {
        transition: Uuid,
    },
    NoIncident,
    IncidentClosed {
        incident: IncidentId,
        event: &'static str,
    },
    NotOfAnIncident {
        event: &'static str,
    },
    RcaIsConfirmed {
        incident: IncidentId,
    },
    RcaMissing,
    OwnRca,
    /// Another text was read than the one that would be confirmed.
    RcaChanged {
        incident: IncidentId,
        read: String,
        hash: String,
    },
    NoReview {
        incident: IncidentId,
    },
    ReviewVoid {
        incident: IncidentId,
    },
    ReviewDecided {
        incident: IncidentId,
        by: Option<String>,
        at: Option<Timestamp>,
    },
    NoSuchItem {
        item: String,
    },
    AlreadySigned {
        item: String,
        by: String,
        at: Timestamp,
    },
    CannotSign {
        item: String,
    },
    NoTask,
    Unrenderable {
        error: String,
    },
    /// A decision about an epoch that was begun in a past that is lost here.
    StoreBehind {
        target: TargetName,
        asked: Epoch,
        epoch: Epoch,
    },
    /// A decision about an epoch that has not begun.
    EpochToCome {
        target: TargetName,
        asked: Epoch,
        epoch: Epoch,
    },
    /// A decision about a window that has not ended.
    WindowToCome {
        target: TargetName,
        ends: Timestamp,
    },
    /// A decision about more time than a window may cover.
    WindowTooLong {
        target: TargetName,
        ends: Timestamp,
    },
}

impl Refusal {
    /// Its kind.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::WrongPhase { .. } => Reason::WrongPhase,
            Self::NothingAbove { .. } | Self::NothingBelow { .. } | Self::NothingToForce { .. } => {
                Reason::NoSuchMove
            }
            Self::Started { .. }
            | Self::NotStarted
            | Self::CannotStart
            | Self::CannotMoveUp { .. }
            | Self::MoveUnderWay
            | Self::RollbackUnderWay
            | Self::SamePersonApproves { .. }
            | Self::ApprovalNotAsked { .. }
            | Self::RcaMissing
            | Self::OwnRca
            | Self::AlreadySigned { .. }
            | Self::CannotSign { .. }
            | Self::NoTask => Reason::Blocked,
            Self::NoApproval { .. } => Reason::NoApproval,
            Self::OtherEpoch { .. } | Self::OtherPolicy { .. } | Self::RcaChanged { .. } => Reason::Outdated,
            Self::TransitionSuperseded { .. } => Reason::Superseded,
            Self::NoIncident => Reason::NoIncident,
            Self::IncidentClosed { .. }
            | Self::NotOfAnIncident { .. }
            | Self::RcaIsConfirmed { .. }
            | Self::NoReview { .. }
            | Self::ReviewVoid { .. }
            | Self::ReviewDecided { .. } => Reason::IncidentState,
            Self::NoSuchItem { .. } => Reason::NoSuchItem,
            Self::Unrenderable { .. } => Reason::Unrenderable,
            Self::StoreBehind { .. } => Reason::Behind,
            Self::EpochToCome { .. } | Self::WindowToCome { .. } | Self::WindowTooLong { .. } => {
                Reason::Implausible
            }
        }
    }
}

impl Rejection {
    /// With everything that is in the way.
    #[must_use]
    pub fn blocked(refusal: Refusal, blockers: Vec<Blocker>) -> Self {
        Self { refusal, blockers }
    }

    /// Its kind.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.refusal.reason()
    }

    /// The problem's code.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        match self.reason() {
            Reason::WrongPhase => ProblemCode::WrongPhase,
            Reason::NoSuchMove => ProblemCode::NoSuchMove,
            Reason::Blocked => ProblemCode::Blocked,
            Reason::Superseded => ProblemCode::Superseded,
            Reason::Outdated => ProblemCode::Outdated,
            Reason::NoApproval => ProblemCode::NoApproval,
            Reason::IncidentState => ProblemCode::IncidentState,
            Reason::NoIncident | Reason::NoSuchItem => ProblemCode::NotFound,
            Reason::Unrenderable => ProblemCode::Internal,
            Reason::Behind => ProblemCode::Unavailable,
            Reason::Implausible => ProblemCode::InvalidDecision,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, blockers: Vec::new() }
    }
}
