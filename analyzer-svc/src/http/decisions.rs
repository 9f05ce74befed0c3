//! The history of decisions.

use axum::extract::State;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query};
use shared_types::{Decision, Page};
use uuid::Uuid;

use super::filter::FilterQuery;
use crate::analyzer::Analyzer;
use crate::store::DecisionKey;

/// Decisions, newest window first
#[utoipa::path(
    get,
    path = "/v1/decisions",
    tag = "history",
    params(FilterQuery, PageQuery),
    responses((status = 200, description = "A page", body = Page<Decision>))
)]
pub(super) async fn get_decisions(
    State(analyzer): State<Analyzer>,
    Query(filter): Query<FilterQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Decision>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<DecisionKey>()?);
    let decisions = analyzer.store().decisions(&filter.into(), after.as_ref(), limit + 1).await?;
    Ok(Json(Cursor::page(decisions, limit, DecisionKey::of)))
}

/// One decision with its evidence
#[utoipa::path(
    get,
    path = "/v1/decisions/{id}",
    tag = "history",
    params(("id" = Uuid, Path, description = "The decision's id")),
    responses((status = 200, description = "The decision", body = Decision))
)]
pub(super) async fn get_decision(
    State(analyzer): State<Analyzer>,
    Path(id): Path<Uuid>,
) -> Result<Json<Decision>, ApiError> {
    let decision = analyzer.store().decision(id).await?;
    Ok(Json(decision.ok_or_else(|| ApiError::not_found(format!("there is no decision {id}")))?))
}
