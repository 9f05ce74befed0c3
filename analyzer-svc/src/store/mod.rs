//! What the analyzer keeps: targets with their run and watch, batches, decisions, and what it refused.
//!
//! The store judges nothing. A change to a target names the version it was computed from; if somebody was
//! faster the change is refused whole and computed again. A decision, what it stands on and the message that
//! carries it to the reporter are one transaction.

mod batch;
mod history;
mod list;
mod rows;
mod sql;

#[cfg(test)]
mod conformance;

use async_trait::async_trait;
use domain::effects::NewMessage;
use serde::{Deserialize, Serialize};
use service_kit::db::DbError;
use service_kit::outbox::OutboxStats;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, PhaseId, TargetName, Timestamp, Verdict};
use uuid::Uuid;

use domain::gate::{EarlierBatch, GateState};
use domain::whatif::Recorded;

pub use batch::{Receipt, StoredBatch};
pub use history::{RecordedKey, Span};
pub use sql::{DOCUMENTS, SqlStore, migrations};

/// The narrow seam between the analyzer and its database.
#[async_trait]
pub trait AnalyzerStore: Send + Sync {
    /// A target as it stands; a fresh one if nothing was heard of it yet.
    async fn target(&self, target: &TargetName) -> Result<GateState, DbError>;

    /// Targets whose watch's deadline is not after `now`, the longest overdue first.
    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<GateState>, DbError>;

    /// What came under a batch's key, if anything.
    async fn receipt(&self, target: &TargetName, window_start: Timestamp)
    -> Result<Option<Receipt>, DbError>;

    /// Batches of an epoch that end after `since` and begin before `before`, for means over time.
    async fn earlier(
        &self,
        target: &TargetName,
        epoch: Epoch,
        since: Timestamp,
        before: Timestamp,
    ) -> Result<Vec<EarlierBatch>, DbError>;

    /// Commits a decision with all that belongs to it.
    async fn commit(&self, commit: &Commit) -> Result<Committed, DbError>;

    /// Commits a target's state alone.
    async fn save_target(&self, state: &GateState) -> Result<Committed, DbError>;

    /// Keeps a batch that came under the key of another one; once, however often it comes.
    async fn refuse(&self, batch: &Batch, hash: &str, now: Timestamp) -> Result<(), DbError>;

    /// Keeps a collector's event that led to no new decision.
    async fn note_event(&self, event: &CollectorEvent, decision: Uuid, now: Timestamp)
    -> Result<(), DbError>;

    /// One decision.
    async fn decision(&self, id: Uuid) -> Result<Option<Decision>, DbError>;

    /// Decisions, newest window first, after the key given; at most `limit`.
    async fn decisions(
        &self,
        filter: &Filter,
        after: Option<&DecisionKey>,
        limit: u32,
    ) -> Result<Vec<Decision>, DbError>;

    /// Batches, newest window first, after the key given; at most `limit`.
    async fn batches(
        &self,
        filter: &Filter,
        after: Option<&BatchKey>,
        limit: u32,
    ) -> Result<Vec<StoredBatch>, DbError>;

    /// The batch that a decision judged.
    async fn batch_of(&self, decision: Uuid) -> Result<Option<StoredBatch>, DbError>;

    /// The event that a decision was made on, or the first one that was answered with it.
    async fn event_of(&self, decision: Uuid) -> Result<Option<CollectorEvent>, DbError>;

    /// As [`Self::earlier`], of what was there when a decision was made.
    async fn known_to(&self, decision: &Decision, since: Timestamp) -> Result<Vec<EarlierBatch>, DbError>;

    /// The decision that its target's epoch had before this one.
    async fn previous(&self, decision: &Decision) -> Result<Option<Decision>, DbError>;

    /// How far the decisions on windows that begin in a time reach; `None` if there are none.
    async fn span(
        &self,
        target: &TargetName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Span>, DbError>;

    /// Decisions of a span in the order in which they were made, after the key given; at most `limit`. With their
    /// batches whole, or only what those counted.
    async fn recorded(
        &self,
        span: &Span,
        after: &RecordedKey,
        whole: bool,
        limit: u32,
    ) -> Result<Vec<Recorded>, DbError>;

    /// Keeps a policy's text under its version.
    async fn keep_policy(&self, version: &str, text: &str, now: Timestamp) -> Result<(), DbError>;

    /// A policy's text by its version.
    async fn policy_text(&self, version: &str) -> Result<Option<String>, DbError>;

    /// Depth and age of the outbox.
    async fn outbox(&self, now: Timestamp) -> Result<OutboxStats, DbError>;

    /// Deletes at most `limit` each of the batches (with what was refused or heard beside them) and of the decisions
    /// whose windows began before these times; a decision stays at least as long as its batch. Says whether more is
    /// left to delete.
    async fn forget(
        &self,
        batches: Option<Timestamp>,
        decisions: Option<Timestamp>,
        limit: u32,
    ) -> Result<bool, DbError>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), DbError>;
}

/// A decision and what commits with it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// As it shall be; `version` is the one it was computed from.
    pub state: GateState,
    pub decision: Decision,
    /// The batch that was judged, with its hash.
    pub batch: Option<(Batch, String)>,
    /// The event that was heard.
    pub event: Option<CollectorEvent>,
    /// Carries the decision to the reporter.
    pub message: NewMessage,
    pub now: Timestamp,
}

/// Whether a commit took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Done,
    /// The target changed meanwhile, or the decision is there already: nothing was written; read again.
    Outdated,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub target: Option<TargetName>,
    /// Windows that begin at or after this.
    pub from: Option<Timestamp>,
    /// Windows that begin before this.
    pub to: Option<Timestamp>,
    pub verdict: Option<Verdict>,
    pub phase: Option<PhaseId>,
    pub epoch: Option<Epoch>,
}

/// The place of a decision in its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionKey(pub i64, pub Uuid);

impl DecisionKey {
    /// Where `decision` stands.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        Self(decision.window.start.as_millis(), decision.decision_id)
    }
}

/// The place of a batch in its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchKey(pub i64, pub TargetName);

impl BatchKey {
    /// Where `stored` stands.
    #[must_use]
    pub fn of(stored: &StoredBatch) -> Self {
        Self(stored.batch.window.start.as_millis(), stored.batch.target.clone())
    }
}
