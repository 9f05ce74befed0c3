//! The abort: off for everybody at once, from any phase.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_STOP;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, IdempotencyKey, Json, Path};
use shared_types::TargetName;
use shared_types::rollout::Rollout;
use utoipa::ToSchema;

use super::acts::{act, actor};
use super::{App, changed};
use domain::rollout::Event;

/// Takes a feature from everybody.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Abort {
    pub reason: String,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Abort: to `off` at once, from whatever phase, as one move (PH-11).
///
/// A freeze or a spent budget does not hold it. A command that runs goes to its end first, whatever it reaches; a required
/// rollback that waits gives way. With an incident open it becomes that incident's rollback.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/abort", tag = "rollouts", operation_id = "abort_rollout",
    security(("bearer" = [MAY_STOP])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Abort,
    responses(
        (status = 202, description = "Requested; the command follows", body = Rollout),
        (status = 200, description = "Requested before under this key; the first answer", body = Rollout),
        (status = 409, description = "It is off already", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn abort(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<Abort>,
) -> Result<Response, ApiError> {
    let (actor, reason) = (actor(&identity, body.by)?, text("reason", &body.reason)?);
    let by = actor.name.clone();
    let changed = act(&app, &target, actor, key, Event::Abort { by, reason }).await?;
    changed::answer(&target, changed)
}
