//! One window's telemetry, counted: what the collector sends and the analyzer judges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::UncountedReason;
use crate::{Buckets, Epoch, PhaseId, TargetName, Timestamp, Window};

/// The value of [`Batch::schema`] written by this version.
pub const SCHEMA: &str = "phasegate.batch/1";

/// One window of one target. The gate's metrics are made from it by the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// `phasegate.batch/1`.
    pub schema: String,
    pub target: TargetName,
    /// The phase that was in force when the window began.
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    /// Events of the window by event name; every name the policy asks for is there, with 0 if none came; but for those that are `missing`. Events of a variant
    /// that the policy names are counted apart, under `<event>@<variant>`, here and below.
    pub counters: BTreeMap<String, u64>,
    /// By event name, for events that carry a duration and occurred at least once.
    pub distributions: BTreeMap<String, Distribution>,
    /// By event name, for events whose durations the source knows only by bounds; none of them is among `distributions`. In
    /// milliseconds: `[lower, upper, count]` are `count` durations above `lower` (or of 0, if that is the bound) and at most
    /// `upper`, which is null where there is none; ascending, 512 at most. Intervals may overlap.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, Buckets>,
    /// By event name, then by field, then by value: errors by `retryable` and by `code` (the 64 most frequent, the rest under
    /// `other`). Where errors name sessions, `session` holds no counts by value but four figures that are never added up:
    /// `distinct` sessions with an error; errors (`top`) and attempts (`top_attempts`) of the one with most errors; `squares`,
    /// the sum over sessions of errors².
    pub breakdowns: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
    /// Numbers that the source gives of the window, by the names that the policy gives them; each in the unit of its metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// What the source was asked for the window, and the hash of each answer, in the order in which it was asked (SLO-10). Only
    /// of a source that is asked by queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    pub intake: Intake,
    /// The time the batch was complete − window end, without that of a pause, in milliseconds.
    pub collector_latency_ms: u64,
    /// How often the sources were read for this window until it succeeded; 1 = at once.
    pub attempts: u32,
    /// Which source it came from, by the key of its kind in the policy.
    pub source: String,
    /// When the batch was complete.
    pub collected_at: Timestamp,
    /// The window the collector will send after this one; it may still be cut shorter, never longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_window: Option<Window>,
    /// The version of the policy that said what was to be counted: the one in force when the window began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
}

impl Batch {
    /// The first event whose histogram was let go (`retention.histograms`): it was there when the batch was judged.
    #[must_use]
    pub fn let_go(&self) -> Option<&str> {
        self.distributions.iter().find(|(_, it)| it.histogram.is_empty()).map(|(event, _)| event.as_str())
    }
}

/// A query as a source was asked it: whoever asks it again sees whether the data still say what was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Query {
    /// What it was asked for: an event, a number under `values`, or what the source's settings call it (`up`, `started`).
    pub name: String,
    /// Whole, in the source's own language.
    pub query: String,
    /// The moment that it was asked of.
    pub time: Timestamp,
    /// `sha256:<hex>` of the answer's data as `docs/collector.md` writes them.
    pub answer: String,
}

/// Durations of one event name. Quantiles are nearest-rank from the histogram (SLO-2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// `ms`.
    pub unit: String,
    pub count: u64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
    /// The mergeable histogram, base64; see `histogram`. Empty in a batch of the past whose histograms the policy does not keep
    /// (`retention.histograms`).
    pub histogram: String,
}

/// What was not, or not simply, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Intake {
    /// Lines that were not events.
    pub malformed: u64,
    /// Events of windows already closed.
    pub late: u64,
    /// Events whose `event_id` was already seen in their window.
    pub duplicates: u64,
    /// Events of names the policy does not use.
    pub unknown: u64,
    /// Lines that the source's map ignores (TE-7): they are no events of the policy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ignored: u64,
    /// Malformed lines by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub malformed_reasons: BTreeMap<String, u64>,
    /// Events of unknown names by name: the 16 most frequent, the rest under `other`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown_names: BTreeMap<String, u64>,
    /// The first three of each reason and of each name, of 16 reasons and 16 names at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// Files that went away, or were written anew, before they were read to their end (CO-9).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// The first 16 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<LostFile>,
    /// Events whose number the source could not tell, each with why. They are in no counter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// Events whose number is an estimate of the source, each with why. They are in their counters all the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extrapolated: BTreeMap<String, String>,
}

impl Intake {
    /// Whether nobody knows what a counter would have counted, a variant's with its event's.
    #[must_use]
    pub fn is_missing(&self, counter: &str) -> bool {
        let of_event = || counter.rsplit_once('@').is_some_and(|(event, _)| self.missing.contains_key(event));
        self.missing.contains_key(counter) || of_event()
    }
}

/// Telemetry that was written and never read (CO-9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LostFile {
    /// Where the file was last seen.
    pub file: String,
    /// So many bytes stood there unread, at least; absent where all that was seen had been read, and nobody knows what came then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// For serialisation: what there was before it could be counted.
#[must_use]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Something that could not be counted (TE-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    pub kind: UncountedReason,
    /// Why a line is no event, or the name that the policy does not use.
    pub what: String,
    /// Its number in the file, or in the body that was pushed; from 1.
    pub line: u64,
    /// The field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The type of what stands there: `text`, `number`, `boolean`, `array`, `object` or `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The value, or the line where no field is to blame: 64 characters at most, letters as `x` and digits as `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name of the policy that the unknown one is near.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meant: Option<String>,
}
