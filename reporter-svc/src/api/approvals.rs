//! Approvals of the next move up (PH-2 to PH-5). Who may approve in a role is who holds it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, IdempotencyKey, Json, Path, Query};
use shared_types::rollout::Rollout;
use shared_types::{Epoch, PhaseId, TargetName};
use utoipa::{IntoParams, ToSchema};

use super::acts::{act, actor};
use super::{App, changed};
use crate::store::Changed;
use domain::rollout::Event;
use domain::rollout::event::Expected;

/// Approves the next move up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ApprovalGiven {
    /// One of the roles that the phase asks approvals of; the caller must hold it.
    pub role: String,
    /// The phase it is meant for, if it should be refused in any other.
    #[serde(default)]
    pub phase: Option<PhaseId>,
    /// The epoch it is meant for, if it should be refused in any other.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// The policy version it is meant for, if it should be refused under any other.
    #[serde(default)]
    pub policy_version: Option<String>,
    #[serde(default)]
    pub comment: Option<String>,
    /// Who approves, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Who withdraws, where no token says it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Withdrawal {
    by: Option<String>,
}

/// Approve the next move up, in a role.
///
/// It counts for this epoch, phase and policy version; when one of them changes it is void. The same again
/// changes nothing. Who has approved in one role cannot approve in another.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/approvals", tag = "rollouts", operation_id = "approve_move",
    security(("bearer" = [])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ApprovalGiven,
    responses(
        (status = 201, description = "It counts now", body = Rollout),
        (status = 200, description = "It counted already", body = Rollout),
        (status = 403, description = "The caller does not hold that role", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "That role is not asked for here, or not of this person, or not now",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn approve(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<ApprovalGiven>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    let role = held(&identity, &by, &body.role)?;
    let comment = body.comment.map(|it| text("comment", &it)).transpose()?;
    let expected = Expected { phase: body.phase, epoch: body.epoch, policy_version: body.policy_version };
    let event = Event::Approve { by, role, comment, expected };
    let changed = act(&app, &target, actor, key, event).await?;
    let new = matches!(&changed, Changed::Applied { step, .. } if !step.repeated);
    let (_, rollout) = changed::accepted(&target, changed)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(rollout)).into_response())
}

/// Take back one's own approval.
#[utoipa::path(
    delete, path = "/v1/rollouts/{target}/approvals/{role}", tag = "rollouts", operation_id = "withdraw_approval",
    security(("bearer" = [])),
    params(("target" = String, Path), ("role" = String, Path), Withdrawal,
           ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "It does not count any more", body = Rollout),
        (status = 409, description = "The caller has not approved in that role", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    identity: Identity,
    Path((target, role)): Path<(TargetName, String)>,
    key: IdempotencyKey,
    Query(query): Query<Withdrawal>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, query.by)?;
    let by = actor.name.clone();
    let changed = act(&app, &target, actor, key, Event::Withdraw { by, role }).await?;
    let (_, rollout) = changed::accepted(&target, changed)?;
    Ok(Json(rollout).into_response())
}

/// The role, if the caller may act in it.
pub(crate) fn held(identity: &Identity, by: &str, role: &str) -> Result<String, ApiError> {
    let role = text("role", role)?;
    if identity.holds(&role) {
        return Ok(role);
    }
    let roles: Vec<&str> = identity.roles.iter().map(String::as_str).collect();
    let detail = format!("{by} holds the roles {}, not {role}", roles.join(", "));
    Err(ApiError::forbidden(detail))
}
