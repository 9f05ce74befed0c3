//! What the analyzer keeps: targets with their run and watch, batches, decisions, and what it refused.
//!
//! The store judges nothing. A change to a target names the version it was computed from; if somebody was
//! faster the change is refused whole and computed again. A decision, what it stands on and the message that
//! carries it to the reporter are one transaction.

mod batch;
mod histograms;
mod history;
mod intake;
mod known;
mod list;
mod retention;
mod rows;
mod targets;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod plans;

use std::sync::Arc;
use std::time::Duration;

use domain::effects::NewMessage;
use serde::{Deserialize, Serialize};
use service_kit::db::{Db, Migration};
use service_kit::migration;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, PhaseId, TargetName, Timestamp, Verdict};
use uuid::Uuid;

use domain::gate::watch::Watch;
use domain::gate::{GateState, Run};
use domain::stored::Form;
use known::Asked;

pub use batch::{Receipt, StoredBatch};
pub use history::{RecordedKey, Span};
pub use known::{Known, Wanted};
pub use retention::{HISTORY, past};

/// The analyzer's tables.
pub const MIGRATIONS: &[Migration] = &[
    migration!(100, "history", "analyzer/0100_history.sql"),
    migration!(150, "sequence", "analyzer/0150_sequence.sql"),
    migration!(160, "policy_versions", "analyzer/0160_policy_versions.sql"),
    migration!(170, "verdicts", each "analyzer/0170_verdicts.sql"),
    migration!(230, "refused batches bounded", "analyzer/0230_refused_batches_bounded.sql"),
    migration!(240, "events by age", "analyzer/0240_events_by_age.sql"),
    migration!(292, "fewer indexes", "analyzer/0292_fewer_indexes.sql"),
    migration!(320, "histograms apart", each "analyzer/0320_histograms.sql"),
];

/// What the analyzer keeps as JSON, beside the payloads of its effects. Batches and decisions carry their schema; a batch's counters stand beside it as they are
/// in it.
pub const DOCUMENTS: &[Form] = &[Form::of::<Run>(), Form::of::<Watch>(), Form::of::<CollectorEvent>()];

/// A mean over time never reads more batches than this.
const MOST_EARLIER: i64 = 10_000;

/// Of the form of a policy's windows: what ends after a moment began no longer before it. With it a history is not read from its
/// beginning.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// What became of a batch that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It can be looked at.
    Kept,
    /// As many are kept as may be; it was counted.
    LeftOut,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    asked: Arc<Asked>,
}

impl Store {
    /// Over an open database with [`MIGRATIONS`] applied.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, asked: Arc::new(Asked::of(known::MOST_AT_ONCE)) }
    }
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

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
