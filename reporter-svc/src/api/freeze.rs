//! The emergency brake: no move in either direction but rollbacks by hand, and its release.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_STOP;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, IdempotencyKey, Json, Path};
use shared_types::rollout::Rollout;
use shared_types::{Actor, TargetName};
use utoipa::ToSchema;

use super::acts::{act, actor};
use super::{App, changed};
use domain::rollout::Event;

/// Freezes a target.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FreezeRequest {
    pub reason: String,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Lets a target move again.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UnfreezeRequest {
    #[serde(default)]
    pub reason: Option<String>,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Freeze: nothing moves any more, up or down, but by a person's own rollback.
///
/// A rollback that is required meanwhile waits and is shown; it starts at the end of the freeze. A command that runs
/// goes to its end. Freezing what is frozen changes nothing.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/freeze", tag = "rollouts", operation_id = "freeze_rollout",
    security(("bearer" = [MAY_STOP])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = FreezeRequest,
    responses(
        (status = 200, description = "It is frozen", body = Rollout),
        (status = 409, description = "The Idempotency-Key was used for something else",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn freeze(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<FreezeRequest>,
) -> Result<Response, ApiError> {
    let (actor, reason) = (actor(&identity, body.by)?, text("reason", &body.reason)?);
    let by = actor.name.clone();
    done(&app, &target, actor, key, Event::Freeze { by, reason }).await
}

/// End a freeze. A required rollback that waited for this starts.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/unfreeze", tag = "rollouts", operation_id = "unfreeze_rollout",
    security(("bearer" = [MAY_STOP])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = UnfreezeRequest,
    responses(
        (status = 200, description = "It is not frozen", body = Rollout),
        (status = 409, description = "The Idempotency-Key was used for something else",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn unfreeze(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<UnfreezeRequest>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    let reason = body.reason.map(|it| text("reason", &it)).transpose()?;
    done(&app, &target, actor, key, Event::Unfreeze { by, reason }).await
}

async fn done(
    app: &App,
    target: &TargetName,
    actor: Actor,
    key: IdempotencyKey,
    event: Event,
) -> Result<Response, ApiError> {
    let changed = act(app, target, actor, key, event).await?;
    let (_, rollout) = changed::accepted(target, changed)?;
    Ok(Json(rollout).into_response())
}
