//! What the collector says besides batches.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Epoch, PhaseId, TargetName, Timestamp, Window};

/// A batch is late (CO-4) or given up for now (CO-5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CollectorEvent {
    /// The sender's id of this event; the same on every resend.
    pub event_id: uuid::Uuid,
    pub kind: CollectorEventKind,
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    /// Time since the window's end when the event arose, in milliseconds.
    pub elapsed_ms: u64,
    /// Attempts made so far.
    pub attempts: u32,
    /// The last failure, in words.
    pub detail: String,
    pub occurred_at: Timestamp,
}

/// The kinds of [`CollectorEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum CollectorEventKind {
    /// Not delivered `delayed_after` its window's end.
    #[serde(rename = "collector.delayed")]
    Delayed,
    /// The last retry of a source or of a delivery failed.
    #[serde(rename = "collector.retry_exhausted")]
    RetryExhausted,
}
