//! Many of what a path takes one by one, in one request: `POST <path>/bulk`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Items of a request, each of which is taken, refused and answered as if it had come alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bulk<T> {
    /// At most [`MOST_IN_BULK`].
    pub items: Vec<BulkItem<T>>,
}

/// So many items a request may have.
pub const MOST_IN_BULK: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkItem<T> {
    /// W3C `traceparent` of what it is sent for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    pub item: T,
}

/// An answer for each item, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswers {
    pub answers: Vec<BulkAnswer>,
}

/// What the item would have been answered alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer {
    /// HTTP status.
    pub status: u16,
    /// Seconds after which to send it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Of a status from 400 on, a problem.
    #[schema(value_type = Object)]
    pub body: Value,
}
