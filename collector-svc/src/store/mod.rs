//! Everything the collector keeps. All SQL of the service is in this folder, a file a topic.
//!
//! One write: [`Store::commit`]. It carries the generation its writer has seen; whoever comes second
//! gets [`Committed::Conflict`], loads again and starts over, so that several replicas can work on one target
//! and each event is counted once (TE-5, CO-1).

mod answers;
mod batches;
mod places;
mod retention;
mod targets;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use domain::effects::NewMessage;
use domain::stored::Form;
use service_kit::db::{Db, Migration};
use service_kit::gather::Gather;
use service_kit::migration;
use shared_types::{Batch, TargetName, Timestamp};
use tokio::sync::Mutex;

use crate::intake::WindowChange;
use crate::state::TargetState;
use domain::telemetry::totals::Totals;
use places::StoredCursor;

pub use batches::record_delivery;
pub use places::{FileCursor, Place, Position};
pub use retention::{HISTORY, past};

/// The collector's tables.
pub const MIGRATIONS: &[Migration] = &[
    migration!(100, "collector", each "collector/0100_collector.sql"),
    migration!(101, "source_cursors", "collector/0101_source_cursors.sql"),
    migration!(310, "room for updates", each "collector/0310_room_for_updates.sql"),
];

/// What the collector keeps as JSON, beside the payloads of its effects. Batches carry their schema; first answers to pushes are kept as they were said.
pub const DOCUMENTS: &[Form] =
    &[Form::of::<TargetState>(), Form::of::<Totals>(), Form::of::<Position>(), Form::of::<StoredCursor>()];

/// See the module. Every wait has an end ([`Db::answered`]): the worker has no other task to notice that one hangs, and
/// keeps what it has read from a source across an error, but not when it is dropped in the middle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    /// Of all targets, so that looking what other replicas have written is one question for all.
    generations: Arc<Mutex<Generations>>,
    batches: Arc<Gather<WindowKey, Option<BatchRow>>>,
    totals: Arc<Gather<WindowKey, Totals>>,
}

/// A target, and the start of one of its windows.
type WindowKey = (TargetName, Timestamp);

/// Reads of so many are one.
const MOST_AT_ONCE: usize = 64;

#[derive(Debug, Default)]
struct Generations {
    of: HashMap<String, i64>,
    looked_at: Option<Timestamp>,
}

impl Store {
    /// Over an open database with [`MIGRATIONS`] applied.
    #[must_use]
    pub fn new(db: Db) -> Self {
        let (batches, totals) = (Arc::new(Gather::of(MOST_AT_ONCE)), Arc::new(Gather::of(MOST_AT_ONCE)));
        Self { db, generations: Arc::default(), batches, totals }
    }
}

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
    /// Added to the stored counts; of a window that is closed here, the batch has them.
    pub windows: Vec<WindowChange>,
    pub places: Vec<Place>,
    /// Sources with places that nothing will come of any more.
    pub forgotten: Vec<(String, String)>,
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
