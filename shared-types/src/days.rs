//! What a target's windows came to, by the day: for charts over longer times than windows can be shown for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::decision::Direction;
use crate::{TargetName, Verdict};

/// A target's days on which anything was judged or an incident opened, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Days {
    pub target: TargetName,
    pub days: Vec<DayTotals>,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DayTotals {
    /// `YYYY-MM-DD`, in UTC.
    pub date: String,
    pub windows: DayWindows,
    /// Incidents that opened on the day.
    pub incidents: u64,
    /// By name.
    pub metrics: Vec<DayMetric>,
}

/// The windows that began on a day, by their verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayWindows {
    pub ok: u64,
    pub warn: u64,
    pub unsure: u64,
    pub violation: u64,
    pub insufficient: u64,
    /// Alarms of batches that did not come in time; some may have come later.
    pub alarms: u64,
    /// Of another epoch or phase than the rollout's: in none of the counts above.
    pub stale: u64,
    /// Those that required a rollback.
    pub rollback_required: u64,
}

/// One metric on a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DayMetric {
    pub metric: String,
    /// The value that was furthest beyond its threshold, or nearest to it; null where none could be said.
    pub worst: Option<f64>,
    /// What that one was held against.
    pub threshold: f64,
    pub unit: String,
    /// The side of the threshold that is compliant; absent: at most.
    #[serde(default, skip_serializing_if = "Direction::is_at_most")]
    pub direction: Direction,
    /// The worst of the day.
    pub verdict: Verdict,
    /// Windows in which it was violated.
    pub violated: u64,
}
