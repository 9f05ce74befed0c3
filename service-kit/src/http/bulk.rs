//! Many items in one request: each is handled as if it had come alone, at the same time as the others.

use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;
use serde_json::Value;
use shared_types::bulk::{Bulk, BulkAnswer, BulkAnswers, BulkItem, MOST_IN_BULK};
use shared_types::problem::ProblemCode;
use tracing::Instrument as _;

use super::{ApiError, Json};
use crate::client::retry_after;
use crate::trace_context::set_parent;

/// Largest answer to an item.
const ANSWER_LIMIT: usize = 1 << 20;

/// Has each item handled, and answers with what each was answered.
///
/// # Errors
/// 422: more items than [`MOST_IN_BULK`].
pub async fn answer_each<T, F>(bulk: Bulk<T>, handle: impl Fn(T) -> F) -> Result<Json<BulkAnswers>, ApiError>
where
    F: Future<Output = Result<Response, ApiError>>,
{
    let items = bulk.items;
    if items.len() > MOST_IN_BULK {
        let detail = format!("items: {} are more than {MOST_IN_BULK}", items.len());
        return Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail));
    }
    let answers = items.into_iter().map(|BulkItem { trace_parent, item }| {
        let span = tracing::info_span!("item", trace_id = tracing::field::Empty);
        set_parent(&span, trace_parent.as_deref());
        let handled = handle(item);
        async { answer_of(handled.await.unwrap_or_else(ApiError::into_response)).await }.instrument(span)
    });
    Ok(Json(BulkAnswers { answers: join_all(answers).await }))
}

async fn answer_of(response: Response) -> BulkAnswer {
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = axum::body::to_bytes(response.into_body(), ANSWER_LIMIT).await.unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    BulkAnswer { status, retry_after_s: retry_after.map(|it| it.as_secs()), body }
}
