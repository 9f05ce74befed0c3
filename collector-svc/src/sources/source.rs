//! A source, what it is asked and what it hands over.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::policy::TargetPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::batch::LostFile;
use shared_types::{PhaseId, TargetName, Timestamp, Window};

use super::http::Receipt;
use super::otlp::delivery::Delivery;
use domain::telemetry::totals::Totals;
use events::EventSpecs;
use events::records::Records;

/// A place of a source (a file, a stream, all of it), and how far that was read: JSON that only the source understands.
pub type Cursor = HashMap<String, Value>;

/// What reads a kind of source.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The kind's key in the policy.
    pub key: &'static str,
    /// A source with the settings of a target's policy.
    pub open: fn(&Opening<'_>) -> Opened,
}

/// A source; none where nothing is pulled.
pub type Opened = Result<Option<Box<dyn Source>>, SourceError>;

/// What a source is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub target: &'a TargetName,
    pub policy: &'a TargetPolicy,
    /// What events are read with.
    pub specs: &'a Arc<EventSpecs>,
    /// Threads that may parse one large piece together.
    pub threads: usize,
}

/// What a read is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How far this kind of source was read, with everything handed over so far counted in.
    pub cursor: Arc<Cursor>,
    pub now: Timestamp,
    /// The windows of exposed phases that are not closed and have begun, oldest first, a bounded number of the newest: for a
    /// source that counts by itself and is asked for a window's totals.
    pub windows: Vec<AskedWindow>,
}

/// A window whose totals are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedWindow {
    pub window: Window,
    /// The one in force when it began.
    pub phase: PhaseId,
    /// The first of its stay: what grows over its begin may be of the stay before.
    pub begins_stay: bool,
}

/// Something to be counted.
#[derive(Debug)]
pub enum Contribution {
    /// Events, each to be counted in the window of its time.
    Records(Part),
    /// What was counted elsewhere.
    Totals(WindowTotals),
    /// Data points, to be counted by what their streams have counted before.
    Delivery(Delivery),
    /// What cannot be counted any more: it went away, or was written anew, before it was read to its end (CO-9). The place
    /// that `moved` says of it is not told again.
    Lost(LostFile),
}

impl Contribution {
    /// Whether somebody waits for its answer, and nobody has it else.
    #[must_use]
    pub fn is_pushed(&self) -> bool {
        match self {
            Self::Records(part) => matches!(part.origin, Origin::Push(_)),
            Self::Delivery(_) => true,
            Self::Totals(_) | Self::Lost(_) => false,
        }
    }
}

/// Records from one place.
#[derive(Debug)]
pub struct Part {
    pub records: Records,
    /// What they were read with.
    pub specs: Arc<EventSpecs>,
    pub origin: Origin,
}

/// Where a part came from, so that its malformed lines can be told there.
#[derive(Debug)]
pub enum Origin {
    /// A place of the source; the first line here is number `line + 1` of it.
    Place { name: String, line: u64 },
    /// A push that waits for its answer.
    Push(Receipt),
}

/// Counters, histograms and breakdowns to be added to a window's.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowTotals {
    /// One of those that were asked for.
    pub window: Window,
    pub totals: Totals,
}

/// How far a place was read now.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    pub place: String,
    pub cursor: Value,
    /// It is read from its beginning: what was told of it before is of something else.
    pub anew: bool,
}

/// What one read gave.
#[derive(Debug, Default)]
pub struct Input {
    pub contributions: Vec<Contribution>,
    /// The places that moved on.
    pub moved: Vec<Moved>,
    /// Nothing more was there when the read began.
    pub caught_up: bool,
    /// What was read, where the same cursor gives the same again at no price: several such reads may share a commit. 0 of
    /// any other.
    pub bytes: usize,
    /// All that could not be read this time, while the rest was.
    pub left_out: Vec<LeftOut>,
}

/// Where a look begins that goes through the newest telemetry alone; by itself the beginning of all.
#[derive(Debug, Default)]
pub struct Newest {
    pub cursor: Cursor,
    pub passed_over: Vec<PassedOver>,
}

/// What stands in a place before that and is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    #[serde(skip)]
    pub place: String,
    pub path: String,
    pub bytes: u64,
    /// When something was written into it last.
    pub written: Timestamp,
}

/// A place of a source that cannot be read (CO-9). The texts are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LeftOut {
    pub path: String,
    pub reason: String,
}

/// Why a source could not be read. The texts are shown: they never hold a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{what}: {reason}")]
    Io { what: String, reason: String },
    #[error("no answer within {0} s")]
    Timeout(u64),
}

impl SourceError {
    /// Without what it is about.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::Io { reason, .. } => reason,
            Self::Timeout(_) => self.to_string(),
        }
    }
}

/// A place where telemetry comes from.
#[async_trait]
pub trait Source: Send + Sync {
    /// What a batch says of it: the kind's key.
    fn kind(&self) -> &'static str;

    /// Reads what is new after the cursor, a bounded amount. The same cursor gives the same again.
    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError>;

    /// Where the newest telemetry begins, so many bytes of it: for a look that must not take as long as all of it.
    async fn newest(&mut self, _bytes: u64) -> Result<Newest, SourceError> {
        Ok(Newest::default())
    }

    /// Takes back what could not be committed and cannot be read again, in its order.
    fn take_back(&mut self, _found: Vec<Contribution>) {}
}
