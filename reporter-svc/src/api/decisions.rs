//! Decisions from the analyzer.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query, answer_each};
use shared_types::bulk::{Bulk, BulkAnswers};
use shared_types::problem::ProblemCode;
use shared_types::{Decision, IncidentId, Page, TargetName, Timestamp, Verdict};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use super::changed;
use crate::store::{After, DecisionFilter, StoredDecision};

/// What became of a decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionReceipt {
    pub decision_id: Uuid,
    pub target: TargetName,
    /// Of another epoch or phase than the rollout's: kept, and nothing follows from it.
    pub stale: bool,
    /// The incident it opened or joined.
    pub incident: Option<IncidentId>,
}

/// Take a decision in.
///
/// 202 means that it and everything it causes is committed. A repeat is recognised by `decision_id`.
#[utoipa::path(
    post, path = "/v1/decisions", tag = "decisions", operation_id = "receive_decision",
    security(("bearer" = ["service:analyzer"])),
    request_body = Decision,
    responses(
        (status = 202, description = "Committed", body = DecisionReceipt),
        (status = 200, description = "Known already; the first answer", body = DecisionReceipt),
        (status = 404, description = "The policy has no such target", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Another decision was taken in under this id", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 422, description = "It cannot be so: an epoch that has not begun, a window that has not ended",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn receive(
    State(app): State<App>,
    Json(decision): Json<Decision>,
) -> Result<Response, ApiError> {
    check(&decision)?;
    let changed = app.reporter.decide(&decision).await?;
    changed::answer(&decision.target, changed)
}

/// Take decisions in.
///
/// Each as if it had come alone, with its own status; what is committed at the same time is committed together. At most 64.
#[utoipa::path(
    post, path = "/v1/decisions/bulk", tag = "decisions", operation_id = "receive_decisions",
    security(("bearer" = ["service:analyzer"])),
    request_body = Bulk<Decision>,
    responses((status = 200, description = "An answer for each, in their order", body = BulkAnswers))
)]
pub(super) async fn receive_all(
    State(app): State<App>,
    Json(decisions): Json<Bulk<Decision>>,
) -> Result<Json<BulkAnswers>, ApiError> {
    answer_each(decisions, |decision| receive(State(app.clone()), Json(decision))).await
}

/// Which decisions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[param(value_type = Option<String>)]
    target: Option<TargetName>,
    /// Only windows that end after this.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Only windows that end at this or before.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    verdict: Option<Verdict>,
}

/// A decision as it was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionRecord {
    #[serde(flatten)]
    pub decision: Decision,
    /// Of another epoch or phase than the rollout's: kept, and nothing followed from it.
    pub stale: bool,
    /// The incident it opened or joined.
    pub incident: Option<IncidentId>,
}

impl From<StoredDecision> for DecisionRecord {
    fn from(it: StoredDecision) -> Self {
        Self { decision: it.decision, stale: it.stale, incident: it.incident }
    }
}

/// Decisions, the newest window first, without the values they were computed from.
#[utoipa::path(
    get, path = "/v1/decisions", tag = "decisions", operation_id = "list_decisions",
    params(Filter, PageQuery),
    responses((status = 200, description = "A page of decisions", body = Page<DecisionRecord>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<DecisionRecord>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<After>()?);
    let Filter { target, from, to, verdict } = filter;
    let filter = DecisionFilter { target, from, to, verdict };
    let found = app.reporter.store.decisions(&filter, after.as_ref(), limit + 1).await?;
    let key = |it: &StoredDecision| (it.decision.window.end.as_millis(), it.decision.decision_id.to_string());
    let page = Cursor::page(found, limit, key);
    let brief = |mut it: StoredDecision| {
        it.decision.evidence = None;
        it.into()
    };
    Ok(Json(Page { items: page.items.into_iter().map(brief).collect(), next: page.next }))
}

/// One decision with what it was computed from.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", tag = "decisions", operation_id = "get_decision",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "As it was taken in", body = DecisionRecord))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Json<DecisionRecord>, ApiError> {
    let found = app.reporter.store.decision(id).await?;
    found.map(|it| Json(it.into())).ok_or_else(|| ApiError::not_found(format!("no decision {id}")))
}

/// What the types cannot say.
fn check(decision: &Decision) -> Result<(), ApiError> {
    let refuse = |detail: &str| Err(ApiError::unprocessable(ProblemCode::InvalidDecision, detail));
    if decision.schema != shared_types::decision::SCHEMA {
        return refuse("field `schema`: expected phasegate.decision/1");
    }
    if decision.window.start >= decision.window.end {
        return refuse("field `window`: it must end after it starts");
    }
    Ok(())
}
