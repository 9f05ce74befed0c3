//! What the gate says of a batch, with its evidence.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::batch::{Example, LostFile, is_zero};
use crate::{Epoch, PhaseId, TargetName, Timestamp, Window};

/// The value of [`Decision::schema`] written by this version.
pub const SCHEMA: &str = "phasegate.decision/1";

/// A verdict with its evidence, as sent to the reporter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// `phasegate.decision/1`.
    pub schema: String,
    /// The same for the same (target, window, cause), however often it is made.
    pub decision_id: Uuid,
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    #[serde(deserialize_with = "known_or_unsure")]
    pub verdict: Verdict,
    /// True exactly when a violated metric's policy says `on_violation: rollback` (SLO-4).
    pub rollback_required: bool,
    /// The strongest `on_violation` of the violated metrics; without one, `page` where a person has to look (JU-4), else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ViolationAction>,
    pub cause: Cause,
    /// Every metric that was judged, in the policy's order.
    pub metrics: Vec<MetricVerdict>,
    /// Names of the violated metrics, worst first (SLO-3).
    pub violated: Vec<String>,
    /// Content hash of the policy that judged, `sha256:<hex>`.
    pub policy_version: String,
    pub decided_at: Timestamp,
    /// What of the window's telemetry could not be counted; absent, if all could (TE-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
    /// Events that came regularly and are missed from this window on (TE-6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished: Vec<String>,
    /// How far the success condition of the epoch is, this decision included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateProgress>,
    /// What the metrics were computed from, so that the decision can be recomputed (SLO-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// Telemetry that could not be counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Uncounted {
    /// The commoner of the two.
    pub reason: UncountedReason,
    /// Its part of all lines and events of the window; 0 to 1. With 0 only files were lost.
    pub share: f64,
    /// More than the policy lets pass: nothing is said to be compliant.
    pub over: bool,
    /// The commonest reason why a line is no event, or name that the policy does not use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commonest: Option<String>,
    /// The first of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    /// Files that were not read to their end (CO-9), besides; `share` knows nothing of what stood there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// The first 16 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_files: Vec<LostFile>,
}

/// Why something could not be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum UncountedReason {
    /// Lines that were not events.
    Malformed,
    /// Events of names the policy does not use.
    Unknown,
}

/// Worst of a decision's metrics; ordered from best to worst (SLO-3).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Too few samples to say (SLO-6).
    Insufficient,
    /// In the warn band of a threshold, or beyond it by no more than chance may do while the windows together keep it.
    Warn,
    /// Beyond a threshold, and not yet proof that the version is (JU-4).
    Unsure,
    /// Beyond a threshold; by `judge: evidence` only where that is no chance.
    Violation,
}

impl Verdict {
    /// PH-7: compliant = `ok` or `warn`.
    #[must_use]
    pub fn is_compliant(self) -> bool {
        matches!(self, Self::Ok | Self::Warn)
    }

    /// As on the wire; also the metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a violated metric asks for; ordered from mildest to strongest.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    schemars::JsonSchema,
    EnumIter,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ViolationAction {
    /// Advisory: shown, and never in the way.
    Note,
    /// Blocks promotion and warns.
    Hold,
    /// Opens an incident, no rollback.
    Page,
    /// Opens an incident and rolls back one phase.
    Rollback,
}

impl ViolationAction {
    /// Whether nothing follows from it.
    #[must_use]
    pub fn is_advisory(self) -> bool {
        self == Self::Note
    }

    /// As in the policy and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why a decision was made.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    /// A batch was held against the SLOs.
    Slo,
    /// A batch did not arrive in time (CO-4, SLO-7).
    CollectionDelayed,
    /// The collector gave up for now (CO-5, SLO-8).
    RetryExhausted,
}

impl Cause {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// On which side of its threshold a metric is compliant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The threshold is the highest compliant value.
    #[default]
    AtMost,
    /// The threshold is the lowest compliant value.
    AtLeast,
}

impl Direction {
    /// For serialisation: what every metric was before there was another side.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub fn is_at_most(&self) -> bool {
        *self == Self::AtMost
    }

    /// Whether a value violates a threshold. At the threshold it does not.
    #[must_use]
    pub fn is_beyond(self, observed: f64, threshold: f64) -> bool {
        match self {
            Self::AtMost => observed > threshold,
            Self::AtLeast => observed < threshold,
        }
    }

    /// Whether a threshold lets more pass than another.
    #[must_use]
    pub fn is_looser(self, threshold: f64, than: f64) -> bool {
        self.is_beyond(threshold, than)
    }

    /// Whether 0 is the only compliant value: there is no warn band.
    #[must_use]
    pub fn allows_nothing(self, threshold: f64) -> bool {
        self == Self::AtMost && threshold <= 0.0
    }

    /// The value beyond which a warning is due, none where the threshold has no warn band. A ceiling: `warn_ratio` of the
    /// threshold. A floor: the threshold is `warn_ratio` of it; but the floor of a percentage is the ceiling of what is
    /// missing to 100 %, else no share could ever be good enough.
    #[must_use]
    pub fn warn_limit(self, threshold: f64, unit: &str, warn_ratio: f64) -> Option<f64> {
        let limit = match self {
            Self::AtMost => threshold * warn_ratio,
            Self::AtLeast if unit == "%" && threshold <= 100.0 => 100.0 - (100.0 - threshold) * warn_ratio,
            Self::AtLeast => threshold / warn_ratio,
        };
        (threshold > 0.0).then_some(limit)
    }

    /// `≤` or `≥`.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::AtMost => "≤",
            Self::AtLeast => "≥",
        }
    }

    /// `at most` or `at least`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
        }
    }

    /// Where a violation lies: `above` or `below`.
    #[must_use]
    pub fn beyond(self) -> &'static str {
        match self {
            Self::AtMost => "above",
            Self::AtLeast => "below",
        }
    }
}

/// One metric held against its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricVerdict {
    /// The policy's name for it, e.g. `save_latency_p95`.
    pub metric: String,
    /// In `unit`; null when there was nothing to compute it from, or only bounds of it are known.
    pub observed: Option<f64>,
    /// In `unit`: the bounds, where the source knows durations by bounds only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// In `unit`.
    pub threshold: f64,
    /// `s`, `ms`, `%` or empty for a plain number.
    pub unit: String,
    /// observed ÷ threshold; null when the threshold is 0 or nothing was observed.
    pub ratio: Option<f64>,
    #[serde(deserialize_with = "known_or_unsure")]
    pub verdict: Verdict,
    pub on_violation: ViolationAction,
    /// The side of the threshold that is compliant; absent: at most.
    #[serde(default, skip_serializing_if = "Direction::is_at_most")]
    pub direction: Direction,
    /// Why it is `insufficient`, where nothing can be said of what was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<InsufficientReason>,
    /// How sure it is; absent where the metric has no attempts, or the policy judges single windows.
    #[serde(flatten)]
    pub weighed: Option<Weighed>,
}

/// What a value surely lies between, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Between {
    pub lower: f64,
    /// Null where nothing bounds it.
    pub upper: Option<f64>,
}

/// What a window adds to the evidence that a metric breaks its limit (JU-1, JU-2, JU-14).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Weighed {
    /// Attempts of the window that were bad.
    // A part of `MetricVerdict`, which may lack it: there none of its fields is required.
    #[schema(required = false)]
    pub bad: u64,
    #[schema(required = false)]
    pub attempts: u64,
    /// So many more may be bad: their bounds lie on both sides of the limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unresolved: u64,
    /// The share that may be bad; of a rate, how many for each attempt.
    #[schema(required = false)]
    pub allowed: f64,
    /// E, a logarithm: grows while more are bad than may be; null before the first window with attempts.
    pub evidence: Option<f64>,
    /// The evidence from which on it is a violation: the logarithm of `gate.certainty`; less, if the version is shown to have
    /// changed and the policy says `certainty_if_changed`.
    #[schema(required = false)]
    pub needed: f64,
    /// So many errors weigh as one, because they come in bunches; at least 1.
    #[schema(required = false)]
    pub design_effect: f64,
    /// So many more windows like this one would be a violation; absent where none would, or it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_windows: Option<u32>,
    /// The policy changed what is counted or how it is weighed: the evidence before it does not count any more (JU-15).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// E', as E but against what the earlier phases vouch for; absent without such phases, or where the policy does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<f64>,
    /// What is counted has no attempts: they are the window's milliseconds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_time: bool,
    /// Whose the bad attempts are; absent where events carry no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    /// The part of one session, without which the window is judged (JU-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// What the control group shows in the same window (JU-9); absent, where the policy names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlWeighed>,
}

/// Bad attempts of a window by session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// Sessions with a bad attempt.
    pub distinct: u64,
    /// Bad attempts of the session with most of them.
    pub top: u64,
    /// All attempts of that session.
    pub top_attempts: u64,
    /// The sum over sessions of their bad attempts squared.
    pub squares: u64,
}

/// What one session did, where it is not the users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    pub bad: u64,
    pub attempts: u64,
}

/// A window of the control group: users, or events, that the feature cannot have touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ControlWeighed {
    pub bad: u64,
    pub attempts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// R, a logarithm: grows while the version is worse than the control group; needed is as much as of the evidence against
    /// the limit. Null before the first window that says something.
    pub evidence: Option<f64>,
    /// The control group breaks the limit too, in this window or over the last four.
    pub as_bad: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<ControlFinding>,
}

/// What the control group makes of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ControlFinding {
    /// Both groups break the limit: nothing is held against the version.
    Outside,
    /// The version is far worse than the control group, within the limit or beyond it.
    Regression,
    /// The control group fell with the version, just after a move up: it is held against the version.
    Surroundings,
}

/// Why a metric is `insufficient` although it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum InsufficientReason {
    /// More were bad than were attempted (JU-1).
    NotAShare,
    /// Durations are known by bounds only, and the limit lies between the bounds.
    Resolution,
}

/// A verdict of a newer release is one that this one cannot be sure of.
pub(crate) fn known_or_unsure<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Verdict, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    Ok(Verdict::iter().find(|verdict| verdict.as_str() == text).unwrap_or(Verdict::Unsure))
}

impl MetricVerdict {
    /// How much of what the threshold allows is used up: 1 is at the threshold, more is beyond it; of a percentage that has to
    /// be reached, of what may be missing. None without a ratio.
    #[must_use]
    pub fn used(&self) -> Option<f64> {
        let missing = |percent: f64| 100.0 - percent;
        // Of what is known by bounds only, at least so much.
        let by_bounds = || self.between.map(|it| it.lower / self.threshold).filter(|used| used.is_finite());
        match self.direction {
            Direction::AtMost => self.ratio.or_else(by_bounds),
            Direction::AtLeast if self.unit == "%" => {
                let used = missing(self.observed?) / missing(self.threshold);
                used.is_finite().then_some(used)
            }
            Direction::AtLeast => self.ratio.map(f64::recip),
        }
    }

    /// As [`Self::used`], to order what is violated: beyond a threshold of 0 is infinitely far.
    #[must_use]
    pub fn excess(&self) -> f64 {
        self.used().unwrap_or(f64::INFINITY)
    }
}

/// How far the success condition of the current epoch is (PH-2 to PH-4, PH-7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateProgress {
    pub epoch: Epoch,
    /// Compliant batches in a row up to now.
    pub compliant_batches: u64,
    /// Covered, compliant window time in a row up to now, in milliseconds.
    pub compliant_ms: u64,
    /// What the policy asks for; the other one is null.
    pub needed_batches: Option<u64>,
    pub needed_ms: Option<u64>,
    /// Whether the condition holds now.
    pub satisfied: bool,
    /// The window that broke the run last in this epoch, and how.
    pub broken_by: Option<BrokenBy>,
    /// The newest window that was judged.
    pub through: Option<Window>,
    /// Metrics of which the whole stay put together is beyond the limit: nothing moves up on it (JU-6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stay_over: Vec<StayOver>,
    /// Since when nothing proves compliance any more, once that lasts longer than is tolerated (PH-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
    /// Events that came regularly in this rollout and do not come any more (TE-6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished: Vec<Vanished>,
}

/// An event that is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vanished {
    pub event: String,
    /// Windows without it that had other events.
    pub windows: u64,
    /// The start of the first of them.
    pub since: Timestamp,
}

/// Windows in a row of which none is `ok` or `warn`, nor waits until enough attempts are together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stale {
    pub windows: u64,
    /// The start of the first of them.
    pub since: Timestamp,
}

/// A metric's whole stay, beyond its limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StayOver {
    pub metric: String,
    pub bad: u64,
    pub attempts: u64,
    /// The share that may be bad.
    pub allowed: f64,
    /// How likely chance alone makes so many bad of a version that sits at its limit; errors that come in bunches weigh as many
    /// as are independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub luck: Option<f64>,
}

/// What ended a compliant run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenBy {
    pub window: Window,
    pub cause: Cause,
    /// The worst metric, if there was a violated one.
    pub metric: Option<String>,
}

/// What a decision was computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// `sha256:<hex>` of the batch as received; null when no batch was (delay, exhausted retries).
    pub batch_hash: Option<String>,
    /// Saves counted against `min_samples`.
    pub samples: u64,
    /// Earlier values that a mean over time looked at, oldest first.
    pub history: Vec<HistoryValue>,
    /// For a window whose batch is missing: the time since its end that was judged, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// The compliant run that the decision went on from; absent when it began one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunBefore>,
    /// Grows from decision to decision of a target: a decision could look at what has a smaller one.
    #[serde(default)]
    pub sequence: u64,
}

/// A compliant run as it stood before a decision, and what is remembered of its epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunBefore {
    pub compliant_batches: u64,
    pub compliant_ms: u64,
    /// Where the run began; what lies before cannot break it any more.
    pub from: Option<Timestamp>,
    /// Up to where every window was judged, or broke the run.
    pub covered_to: Option<Timestamp>,
    pub broken_by: Option<BrokenBy>,
    pub through: Option<Window>,
    /// Window time that waits until enough attempts are together (JU-5), in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting_ms: u64,
    /// Missing windows in a row (JU-8).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gaps: u64,
    /// Windows in a row of which none is `ok` or `warn` (JU-4).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undecided: u64,
    /// Windows in a row that prove nothing (PH-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<Stale>,
    /// The run of windows in which the control group is as bad as the version (JU-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricBefore>,
    /// How regularly events came, in this epoch and those before it of the rollout (TE-6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventBefore>,
}

/// Windows that were held because of something outside; it ends after four windows in a row without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// In a row up to now.
    pub in_a_row: u64,
    /// Windows since the last of them.
    pub without: u64,
    /// The start of the first of those in a row.
    pub since: Timestamp,
}

/// What is remembered of an event: windows with others of its group, which are those of the feature or those of the control
/// group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBefore {
    pub event: String,
    /// Windows up to the last in which it came.
    pub windows: u64,
    /// How often it came in them, and how often the others did.
    pub came: u64,
    pub others: u64,
    /// The sum over them of came² ÷ others.
    pub squares: f64,
    /// Since it came last; absent if it came in the newest window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Without>,
    /// It is missed, and that was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vanished: bool,
}

/// Windows without an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Without {
    pub windows: u64,
    /// How often the others of its group came in them.
    pub others: u64,
    /// The start of the first.
    pub since: Timestamp,
}

/// What is remembered of a metric's windows in an epoch (JU-12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricBefore {
    pub metric: String,
    /// What was counted and how it was weighed: with another basis it starts anew.
    pub basis: String,
    /// m of each ratio of JU-2; null before the first window.
    pub levels: Vec<Option<f64>>,
    /// Bad attempts and all attempts of the newest windows with attempts, at most 15, the newest last.
    pub recent: Vec<(u64, u64)>,
    /// Of the same windows, the attempts that may be bad besides; absent, where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<u64>,
    /// Bad attempts and all attempts of the whole stay.
    pub stay: (u64, u64),
    pub bunches: BunchSums,
    /// Windows that wait until enough attempts are together, and their attempts.
    pub group: (u64, u64),
    /// For a metric without attempts: windows in a row that were beyond the threshold (JU-16).
    pub over: u64,
    /// Bad attempts of the newest windows and their squares by session, at most 16, the newest last (JU-14).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlBefore>,
    /// What the rollout's earlier phases showed, where the policy asks for less evidence of a version that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedBefore>,
}

/// What the earlier phases of a rollout vouch for, and the evidence that it is no longer so (JU-9f).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedBefore {
    /// Bad attempts and all attempts of the stays that ended in a move up.
    pub stays: (u64, u64),
    /// m of each ratio of JU-2, against the rate of those stays; empty before the first window.
    pub levels: Vec<Option<f64>>,
}

/// What is remembered of a metric's control group in an epoch (JU-9).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ControlBefore {
    /// m of each ratio of JU-9b; null before the first window that says something.
    pub levels: Vec<Option<f64>>,
    /// Bad attempts and all attempts of the control group's newest windows, at most 3, the newest last.
    pub recent: Vec<(u64, u64)>,
    /// Bad attempts and all attempts since the evidence was last 0 or less, of the version and of the control group.
    pub since_calm: [(u64, u64); 2],
    /// Windows in a row in which the control group kept the limit.
    pub kept: u64,
    /// Windows since a move up before which it kept the limit, up to the first in which it did not: then it may have fallen
    /// with the version (JU-9g). Absent where it cannot have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_up: Option<u64>,
    /// It fell with the version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fell: bool,
    /// The newest window was not held against the version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// What the design effect was estimated from (JU-14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BunchSums {
    /// Pairs of neighbouring windows.
    pub pairs: u64,
    /// The sum of their differences: 1 each where errors are independent.
    pub differences: f64,
}

/// One earlier batch's value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryValue {
    pub metric: String,
    pub window: Window,
    pub value: f64,
}
