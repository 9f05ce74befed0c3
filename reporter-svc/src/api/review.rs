//! Governance decides the review of an overdue root cause analysis (GO-2).

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_ANSWER;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, Json, Path};
use shared_types::IncidentId;
use shared_types::incident::Incident;
use utoipa::ToSchema;

use super::App;
use super::acts::{actor, on_incident};
use super::rca::require_approver;
use domain::rollout::Event;

/// Decides the review.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReviewDecision {
    /// True: the target goes back one phase, at once; no gate and no approval is asked.
    pub approve: bool,
    pub comment: String,
    /// Who, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Decide the governance review that an overdue root cause analysis opened. An approval forces the rollback.
/// Of the roles listed, the one that the policy's `rca.approver` names.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/review", tag = "incidents", operation_id = "decide_review",
    security(("bearer" = [MAY_ANSWER])),
    params(("id" = String, Path)),
    request_body = ReviewDecision,
    responses(
        (status = 200, description = "The incident as it stands now; the rollback follows", body = Incident),
        (status = 403, description = "Not the role that the policy's `rca.approver` names",
         body = shared_types::Problem, content_type = "application/problem+json"),
        (status = 409, description = "No review is open, a rollback is under way, or there is no phase below",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn decide(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<IncidentId>,
    Json(body): Json<ReviewDecision>,
) -> Result<Json<Incident>, ApiError> {
    let (actor, comment) = (actor(&identity, body.by)?, text("comment", &body.comment)?);
    let by = actor.name.clone();
    require_approver(&app, &identity, &id).await?;
    on_incident(&app, &id, actor, Event::ReviewDecided { by, approve: body.approve, comment }).await
}
