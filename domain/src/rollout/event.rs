//! What can happen to a target or to one of its incidents.

use shared_types::{Decision, Epoch, PhaseId, Timestamp};
use strum::IntoStaticStr;
use uuid::Uuid;

use super::evidence::{Facts, Signing};
use super::state::Finding;
use crate::effects::Loss;
use crate::executors::Report;

/// An input of [`apply`](super::apply).
#[derive(Debug, Clone, PartialEq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The analyzer decided.
    Decided(Box<Decision>),
    /// A person starts the rollout: from `off` to the first phase.
    /// `obstacles`: what would keep its first moves from being made, in words (PL-2).
    Start { by: String, obstacles: Vec<String> },
    /// A person moves it up one phase. `from`, if given, must be the current phase.
    Promote { by: String, from: Option<PhaseId> },
    /// A person approves the next move up, in a role.
    Approve { by: String, role: String, comment: Option<String>, expected: Expected },
    /// A person takes back what they approved.
    Withdraw { by: String, role: String },
    /// A person stops every move but rollbacks by hand.
    Freeze { by: String, reason: String },
    /// A person lets it move again.
    Unfreeze { by: String, reason: Option<String> },
    /// A person moves it down one phase; `from` must be the current phase (RB-7).
    Rollback { by: String, from: PhaseId, reason: String },
    /// A person takes it from everybody at once, whatever phase it is in (PH-11).
    Abort { by: String, reason: String },
    /// The executor is about to start the command; committed before it does (RB-3).
    TransitionStarted { transition: Uuid, attempt: u32 },
    /// An attempt failed and another follows.
    TransitionAttemptFailed { transition: Uuid, reason: String, next: Timestamp },
    /// The move, and the read-back where there is one, succeeded.
    TransitionSucceeded { transition: Uuid, report: Report },
    /// The last attempt failed (RB-4).
    TransitionFailed { transition: Uuid, reason: String },
    /// The executor found the transition superseded and did not run it.
    TransitionSkipped { transition: Uuid },
    /// A person has the failed transition tried again.
    TransitionRetried { transition: Uuid, by: String },
    /// Somebody took the incident on; `at` may lie in the past when it was learned late.
    Acknowledged { by: String, at: Timestamp },
    /// Somebody resolved the page at the pager; the incident goes on as it must.
    PageResolved { by: String, at: Timestamp },
    /// The file of the root cause analysis was written for the first time.
    RcaPrepared,
    /// A person found cause and prevention (GO-1).
    RcaSubmitted { by: String, finding: Finding },
    /// Governance confirms them (GO-3).
    RcaConfirmed {
        by: String,
        comment: String,
        /// Hash of the analysis that was read, or its beginning.
        read: Option<String>,
    },
    /// Governance decides the review of an overdue root cause analysis (GO-2).
    ReviewDecided { by: String, approve: bool, comment: String },
    /// The flag system was read back while nothing moved, in that epoch (RB-11).
    ServedRead { epoch: Epoch, looked: Looked },
    /// Another policy is in force.
    PolicyChanged,
    /// What the store knows of the incident's evidence (EV-2).
    EvidenceChecked { facts: Facts },
    /// A person signs an item of its checklist (EV-1).
    EvidenceSigned(Signing),
    /// The follow-up task of an item is done.
    EvidenceTaskDone { by: String, item: String },
    /// An effect was given up (NO-7).
    GivenUp(Box<Loss>),
    /// A neighbour was told what is not known here (OP-3); 0: nothing of the kind.
    NeighbourAhead { by: String, epoch: Epoch, sequence: u64 },
    /// A person goes on from a restored store (OP-3).
    StoreAccepted { by: String, reason: String },
    /// Time has passed: whatever is due is done.
    Tick,
}

impl Event {
    /// For logs and rejections.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// What reading back a target found, besides its moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// The phase on record is served, or one of the same audience where the flag system knows no names.
    AsRecorded,
    /// Something else, as it was read.
    Other { served: String },
    /// It could not be read, for longer than is tolerated.
    Unread { since: Timestamp, reason: String },
}

/// What an approval was given for; an approval of anything else than what is there now is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    pub phase: Option<PhaseId>,
    pub epoch: Option<Epoch>,
    pub policy_version: Option<String>,
}
