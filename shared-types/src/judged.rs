//! What a chart shows of a decision: a week of them in a third of the bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::decision::known_or_unsure;
use crate::{Epoch, PhaseId, Verdict, Window};

/// A window as it was judged, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgedWindow {
    /// As in the decision; not told.
    #[serde(default, skip_serializing)]
    #[schema(ignore)]
    pub schema: String,
    /// The whole decision is found by it.
    pub decision_id: Uuid,
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
    #[serde(deserialize_with = "known_or_unsure")]
    pub verdict: Verdict,
    /// Of another epoch or phase than the rollout's: kept, and nothing followed from it.
    #[serde(default)]
    pub stale: bool,
    pub metrics: Vec<JudgedMetric>,
}

/// A metric against its threshold, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgedMetric {
    /// The policy's name for it.
    pub metric: String,
    /// Null when there was nothing to compute it from.
    pub observed: Option<f64>,
    pub threshold: f64,
    #[serde(deserialize_with = "known_or_unsure")]
    pub verdict: Verdict,
}
