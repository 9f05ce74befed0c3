//! Batches as they were received.

use serde::{Deserialize, Serialize};
use shared_types::{Batch, Timestamp, Verdict, Window};
use utoipa::ToSchema;
use uuid::Uuid;

/// That a batch was received, without the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub hash: String,
    pub window: Window,
    pub decision_id: Uuid,
    pub received_at: Timestamp,
}

/// A batch with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredBatch {
    #[serde(flatten)]
    pub batch: Batch,
    /// `sha256:<hex>` of the batch.
    pub batch_hash: String,
    pub received_at: Timestamp,
    pub decision_id: Uuid,
    pub verdict: Verdict,
}
