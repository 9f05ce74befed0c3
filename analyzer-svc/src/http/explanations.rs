//! Why a decision came out as it did.

use axum::extract::State;
use service_kit::http::{ApiError, Json, Path};
use uuid::Uuid;

use crate::analyzer::Analyzer;
use crate::explain::{Explanation, explain};

/// Why a decision came out as it did
///
/// Each metric with the policy's line it was held against, the batch, the earlier batches that were looked at; and
/// the decision made again from those: whether it comes out the same, and where not.
#[utoipa::path(
    get,
    path = "/v1/decisions/{id}/explanation",
    tag = "history",
    params(("id" = Uuid, Path, description = "The decision's id")),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "The explanation", body = Explanation))
)]
pub(super) async fn get_explanation(
    State(analyzer): State<Analyzer>,
    Path(id): Path<Uuid>,
) -> Result<Json<Explanation>, ApiError> {
    let explanation = explain(analyzer.store(), &analyzer.policy().kinds, id).await?;
    Ok(Json(explanation.ok_or_else(|| ApiError::not_found(format!("there is no decision {id}")))?))
}
