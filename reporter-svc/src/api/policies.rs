//! The versions of the policy, and of the texts that belong to each (PO-2).

use axum::extract::State;
use service_kit::http::{ApiError, Json, PageQuery, Path, Query};
use service_kit::rules::{PolicyText, PolicyVersion};
use shared_types::Page;

use super::App;

/// The versions of the policy and of its texts that were in force here, newest first.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policies", operation_id = "list_policies", params(PageQuery),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "A page of versions", body = Page<PolicyVersion>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PolicyVersion>>, ApiError> {
    Ok(Json(app.reporter.versions.policies(&page).await?))
}

/// One version, whole; a beginning of its hash will do.
#[utoipa::path(
    get, path = "/v1/policies/{version}", tag = "policies", operation_id = "get_policy",
    params(("version" = String, Path, description = "`sha256:…`, as decisions and approvals name it")),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "The version", body = PolicyText))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(version): Path<String>,
) -> Result<Json<PolicyText>, ApiError> {
    Ok(Json(app.reporter.versions.policy_text(&version).await?))
}
