//! Batches and collector events in, decisions out; the history of batches.

use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use domain::gate::BatchError;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Query, answer_each};
use service_kit::seldom;
use shared_types::bulk::{Bulk, BulkAnswers};
use shared_types::{Batch, CollectorEvent, Decision, Page, Problem, TargetName};

use super::filter::FilterQuery;
use crate::analyzer::{Analyzer, Answer, IntakeError};
use crate::metrics;
use crate::store::{BatchKey, StoredBatch};

/// Judge a batch
///
/// The same batch again is answered with the same decision (200). Another batch of the same target and
/// window start is refused, and kept for inspection (409).
#[utoipa::path(
    post,
    path = "/v1/batches",
    security(("bearer" = ["service:collector"])),
    tag = "intake",
    responses(
        (status = 201, description = "Judged now; the decision is on its way to the reporter", body = Decision),
        (status = 200, description = "Judged before", body = Decision),
        (status = 409, description = "Another batch was judged under this key", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn post_batch(
    State(analyzer): State<Analyzer>,
    Json(batch): Json<Batch>,
) -> Result<(StatusCode, Json<Decision>), ApiError> {
    let started = Instant::now();
    let target = batch.target.clone();
    let answer = analyzer.accept_batch(batch).await;
    count_refusal(&target, &answer);
    Ok(answered(answer?, started))
}

/// Take a collector's alarm
///
/// `collector.delayed` counts as a collector latency of the time elapsed, `collector.retry_exhausted` is a
/// violation at once. A delay of a batch that was here in time is answered with that batch's decision (200).
#[utoipa::path(
    post,
    path = "/v1/collector-events",
    security(("bearer" = ["service:collector"])),
    tag = "intake",
    responses(
        (status = 201, description = "Decided now", body = Decision),
        (status = 200, description = "Decided before", body = Decision),
    )
)]
pub(super) async fn post_collector_event(
    State(analyzer): State<Analyzer>,
    Json(event): Json<CollectorEvent>,
) -> Result<(StatusCode, Json<Decision>), ApiError> {
    let started = Instant::now();
    let target = event.target.clone();
    let answer = analyzer.accept_event(event).await;
    count_refusal(&target, &answer);
    Ok(answered(answer?, started))
}

/// Judge batches
///
/// Each as if it had come alone, with its own status; what is committed at the same time is committed together. At most 64.
#[utoipa::path(
    post,
    path = "/v1/batches/bulk",
    security(("bearer" = ["service:collector"])),
    tag = "intake",
    responses((status = 200, description = "An answer for each, in their order", body = BulkAnswers))
)]
pub(super) async fn post_batches(
    State(analyzer): State<Analyzer>,
    Json(batches): Json<Bulk<Batch>>,
) -> Result<Json<BulkAnswers>, ApiError> {
    answer_each(batches, |batch| async {
        Ok(post_batch(State(analyzer.clone()), Json(batch)).await?.into_response())
    })
    .await
}

fn count_refusal(target: &TargetName, answer: &Result<Answer, IntakeError>) {
    let Err(error) = answer else { return };
    match error {
        IntakeError::Different { .. } => metrics::refused(target),
        IntakeError::Untold { .. } => metrics::implausible(target, "epoch"),
        IntakeError::Future(_) | IntakeError::Batch(BatchError::Window { .. }) => {
            metrics::implausible(target, "window");
        }
        _ => return,
    }
    seldom!(warn, "refused", error, target_name = %target);
}

/// Batches, newest window first
#[utoipa::path(
    get,
    path = "/v1/batches",
    tag = "history",
    params(FilterQuery, PageQuery),
    responses((status = 200, description = "A page", body = Page<StoredBatch>))
)]
pub(super) async fn get_batches(
    State(analyzer): State<Analyzer>,
    Query(filter): Query<FilterQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<StoredBatch>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<BatchKey>()?);
    let batches = analyzer.store().batches(&filter.into(), after.as_ref(), limit + 1).await?;
    Ok(Json(Cursor::page(batches, limit, BatchKey::of)))
}

fn answered(answer: Answer, started: Instant) -> (StatusCode, Json<Decision>) {
    match answer {
        Answer::New(decision) => {
            metrics::decided(&decision, Some(started.elapsed()));
            (StatusCode::CREATED, Json(decision))
        }
        Answer::Repeat(decision) => (StatusCode::OK, Json(decision)),
    }
}
