//! What stands in the way of an act, by name and with its facts (PH-5).

use serde::{Deserialize, Serialize};
use shared_types::rollout::TransitionKind;
use shared_types::story::Hold;
use shared_types::{IncidentId, PhaseId, TargetName, Timestamp, Window};
use strum::{EnumDiscriminants, EnumIter, IntoStaticStr};

use super::evidence::Lack;

/// The name of a variant in `snake_case` is its stable code on the wire. Where one code has several sentences, the field `how`
/// says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EnumDiscriminants)]
#[serde(tag = "code", rename_all = "snake_case")]
#[strum_discriminants(
    name(BlockerCode),
    derive(EnumIter, IntoStaticStr),
    strum(serialize_all = "snake_case"),
    doc = "Codes of [`Blocker`]."
)]
pub enum Blocker {
    /// The rollout is completed.
    Completed,
    /// The policy does not know the phase.
    UnknownPhase {
        phase: PhaseId,
    },
    NotStarted,
    /// A move could not be made here (PL-2).
    MoveImpossible {
        obstacle: String,
    },
    Started {
        phase: PhaseId,
    },
    WrongPhase {
        phase: PhaseId,
    },
    Frozen {
        by: String,
        since: Timestamp,
        reason: String,
        target: TargetName,
    },
    TransitionRunning {
        how: TransitionKind,
        to: PhaseId,
    },
    TransitionFailed {
        to: PhaseId,
    },
    /// The newest move up has used up its retries (PH-10).
    MoveFailed {
        to: PhaseId,
        attempts: u32,
        /// How its output ends.
        output: String,
    },
    /// The store does not know what a neighbour was told (OP-3).
    StoreBehind {
        told_by: String,
        since: Timestamp,
    },
    /// Another phase is served than the one on record (RB-11).
    Drifted {
        phase: PhaseId,
        served: String,
        since: Timestamp,
    },
    /// As many rollbacks have started by themselves as may (PH-11).
    RollbackBudgetSpent {
        most: u64,
        per: String,
        until: Timestamp,
    },
    /// A required rollback waits.
    RollbackWaiting {
        to: PhaseId,
        #[serde(flatten)]
        hold: Hold,
    },
    IncidentOpen {
        incident: IncidentId,
    },
    GateUnsatisfied {
        #[serde(flatten)]
        reached: Reached,
        /// The metric or cause that broke the run last, and its window.
        broken_by: Option<String>,
        broken_in: Option<Window>,
    },
    GateStale {
        ended_at: Timestamp,
    },
    /// The newest batch violates a metric whose policy is `hold`.
    Hold,
    /// The newest batch is beyond a limit, and that may be chance (JU-4).
    Unsure {
        metrics: Vec<String>,
    },
    /// Nothing proves compliance any more (PH-9).
    EvidenceStale {
        windows: u64,
        since: Timestamp,
    },
    /// The whole stay put together is beyond a limit (JU-6).
    StayOverLimit {
        metric: String,
        bad: u64,
        attempts: u64,
        /// Both as people read them.
        observed: String,
        allowed: String,
    },
    AlertsInPhase {
        count: u64,
    },
    IncidentNotified {
        count: u64,
    },
    EvidenceIncomplete {
        /// None: of the incident that one speaks of.
        incident: Option<IncidentId>,
        missing: Vec<String>,
    },
    EvidenceMissing {
        #[serde(flatten)]
        lack: Lack,
    },
    CommentMissing {
        #[serde(flatten)]
        lack: Lack,
    },
    TaskMissing {
        how: TaskMissing,
        item: String,
    },
    SignedAlone {
        by: String,
        item: String,
    },
    AlreadySigned {
        item: String,
        by: String,
        at: Timestamp,
    },
    ApprovalMissing {
        role: String,
    },
    ApprovalByRequester {
        by: String,
        any_of: Vec<String>,
    },
    ApprovalBySamePerson {
        by: String,
        earlier: String,
        role: String,
    },
    ApprovalNotAsked {
        phase: PhaseId,
        wanted: Vec<String>,
        role: String,
    },
    RcaMissing {
        incident: IncidentId,
    },
    /// Who wrote it does not confirm it.
    FourEyes {
        by: String,
    },
}

/// How far the gate is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Reached {
    /// No batch of this epoch has been judged yet.
    NotJudged,
    /// The analyzer has not reported the gate of this epoch.
    NotReported,
    Batches {
        reached: u64,
        needed: u64,
    },
    Time {
        reached_ms: u64,
        needed_ms: u64,
    },
    /// By what this release does not know.
    Otherwise,
}

/// Which task is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum TaskMissing {
    /// The one against the exhausted retries, that the signature has to name.
    Asked,
    /// The item has none that could be done.
    None,
}

impl Blocker {
    /// Its stable code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        BlockerCode::from(self).into()
    }
}
