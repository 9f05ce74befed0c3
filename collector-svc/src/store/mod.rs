//! Everything the collector keeps, behind one narrow trait.
//!
//! One write: [`CollectorStore::commit`]. It carries the generation its writer has seen; whoever comes second
//! gets [`Committed::Conflict`], loads again and starts over, so that several replicas can work on one target
//! and each event is counted once (TE-5, CO-1).

mod answered;
mod places;
mod sql;

use std::time::Duration;

use async_trait::async_trait;
use domain::effects::NewMessage;
use service_kit::db::DbError;
use shared_types::{Batch, TargetName, Timestamp};

use crate::intake::WindowChange;
use crate::state::TargetState;
use crate::totals::Totals;

pub use answered::Answered;
pub use places::{FileCursor, Place, Position};
pub use sql::{MIGRATIONS, SqlStore, documents, record_delivery};

/// What is known of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub generation: i64,
    /// Of the last commits, newest first, separated by spaces.
    pub commit_ids: String,
    pub state: TargetState,
    /// Starts of the windows with counts, ascending.
    pub open: Vec<Timestamp>,
    pub places: Vec<Place>,
}

/// The first answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAnswer {
    pub idempotency_key: String,
    pub body_hash: String,
    /// JSON.
    pub answer: String,
}

/// A closed window.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedWindow {
    pub batch: Batch,
    /// Whether it goes to the analyzer.
    pub sent: bool,
}

/// One write of one target, all or nothing.
#[derive(Debug, Clone)]
pub struct Commit {
    pub target: TargetName,
    /// What the writer has loaded or committed last.
    pub generation: i64,
    /// An id new for every commit, before those loaded; see [`Loaded::commit_ids`].
    pub ids: String,
    pub state: TargetState,
    /// Added to the stored counts.
    pub windows: Vec<WindowChange>,
    pub places: Vec<Place>,
    pub answers: Vec<PushAnswer>,
    /// Their counts and ids are deleted.
    pub closed: Vec<ClosedWindow>,
    pub messages: Vec<NewMessage>,
    pub now: Timestamp,
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The target's new generation.
    Yes(i64),
    /// Somebody else was there first; nothing was written.
    Conflict,
}

/// Event ids of a window, of one flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdChunk {
    pub window_start: Timestamp,
    pub hashes: Vec<u64>,
}

/// A batch as the collector remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRow {
    pub batch: Batch,
    pub sent: bool,
    pub attempts: u32,
    pub delivered_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// What a delivery attempt changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Delivered,
    Failed(String),
}

/// The collector's store.
#[async_trait]
pub trait CollectorStore: Send + Sync + 'static {
    /// The target, made with `initial` if it is not there.
    async fn load(&self, target: &TargetName, initial: &TargetState) -> Result<Loaded, DbError>;

    /// Writes, if nobody else has since.
    async fn commit(&self, commit: &Commit) -> Result<Committed, DbError>;

    /// The counts of an open window; empty if there are none.
    async fn totals(&self, target: &TargetName, window_start: Timestamp) -> Result<Totals, DbError>;

    /// All ids seen in an open window.
    async fn ids(&self, target: &TargetName, window_start: Timestamp) -> Result<Vec<u64>, DbError>;

    /// Ids written after a generation.
    async fn ids_since(&self, target: &TargetName, generation: i64) -> Result<Vec<IdChunk>, DbError>;

    /// The first answer to a push with this key.
    async fn answer(&self, target: &TargetName, key: &str) -> Result<Option<PushAnswer>, DbError>;

    /// The batch of the window that starts then.
    async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Option<BatchRow>, DbError>;

    /// The batch of the newest window.
    async fn last_batch(&self, target: &TargetName) -> Result<Option<BatchRow>, DbError>;

    /// The oldest batch whose window ended after `after` and which the analyzer should have but has not.
    async fn oldest_undelivered(
        &self,
        target: &TargetName,
        after: Timestamp,
    ) -> Result<Option<BatchRow>, DbError>;

    /// Deletes old answers, positions of files not seen for long, and batches beyond their retention.
    async fn prune(&self, now: Timestamp, keep_batches: Option<Duration>) -> Result<(), DbError>;
}
