//! One target's day, as the reporter tells it (DA-5).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::{Direction, GateProgress};
use crate::incident::IncidentState;
use crate::problem::Blocker;
use crate::rollout::RolloutState;
use crate::{Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};

/// What was judged on a day, and how the rollout stood when the report was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DailyReport {
    pub target: TargetName,
    pub title: String,
    /// The civil day, `YYYY-MM-DD`.
    pub date: String,
    /// IANA name of the zone whose day it is.
    pub time_zone: String,
    /// The day's beginning and end: 23 or 25 hours apart where the clocks change.
    pub day: Window,
    pub made_at: Timestamp,
    /// The day was not over yet.
    pub so_far: bool,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub state: RolloutState,
    pub windows: DailyWindows,
    /// A row a metric, phase and threshold, in the order they came up.
    pub slos: Vec<DailySlo>,
    /// Opened on that day, and the one that was open then; oldest first.
    pub incidents: Vec<DailyIncident>,
    pub gate: Option<GateProgress>,
    /// All that stands between then and the next move up: what is asked, of whom.
    pub asked: Vec<Blocker>,
}

/// Windows that began on the day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DailyWindows {
    pub ok: u64,
    pub warn: u64,
    #[serde(default)]
    pub unsure: u64,
    pub violation: u64,
    pub insufficient: u64,
    /// No batch of them was judged.
    pub missing: u64,
    /// Of another epoch than the rollout was in: kept, not gated, not counted above.
    pub stale: u64,
    /// The first 20 that are missing.
    pub missing_windows: Vec<Window>,
}

/// One metric against one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DailySlo {
    pub metric: String,
    pub phase: PhaseId,
    pub unit: String,
    pub threshold: f64,
    /// The side of the threshold that is compliant; absent: at most.
    #[serde(default, skip_serializing_if = "Direction::is_at_most")]
    pub direction: Direction,
    /// The value furthest to the other side; null where none was observed.
    pub worst: Option<f64>,
    /// worst ÷ threshold; null for a threshold of 0.
    pub worst_ratio: Option<f64>,
    pub worst_window: Option<Window>,
    /// By nearest rank.
    pub median: Option<f64>,
    /// Windows with a value.
    pub observed: u64,
    /// Windows in which it was violated.
    pub violated: u64,
}

/// An incident of the day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DailyIncident {
    pub id: IncidentId,
    pub state: IncidentState,
    pub metric: String,
    pub phase: PhaseId,
    pub opened_at: Timestamp,
    pub recovered_at: Option<Timestamp>,
}
