//! The versions of the policy that decisions were made under (PO-2, SLO-10).

use axum::extract::State;
use service_kit::http::{ApiError, Json, PageQuery, Path, Query};
use service_kit::rules::{PolicyText, PolicyVersion};
use shared_types::Page;

use crate::analyzer::Analyzer;

/// The versions of the policy that were in force here, newest first
#[utoipa::path(
    get,
    path = "/v1/policies",
    tag = "policies",
    params(PageQuery),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "A page of versions", body = Page<PolicyVersion>))
)]
pub(super) async fn get_policies(
    State(analyzer): State<Analyzer>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PolicyVersion>>, ApiError> {
    Ok(Json(analyzer.versions().policies(&page).await?))
}

/// One version, whole; a beginning of its hash will do
#[utoipa::path(
    get,
    path = "/v1/policies/{version}",
    tag = "policies",
    params(("version" = String, Path, description = "`sha256:…`, as decisions name it")),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "The version", body = PolicyText))
)]
pub(super) async fn get_policy(
    State(analyzer): State<Analyzer>,
    Path(version): Path<String>,
) -> Result<Json<PolicyText>, ApiError> {
    Ok(Json(analyzer.versions().policy_text(&version).await?))
}
