//! Acts of people. Whoever a token names is taken at that; else the body's `by`.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::{MAY_OPERATE, MAY_STOP};
use service_kit::http::acts::text;
use service_kit::http::{ApiError, IdempotencyKey, Json, Path};
use shared_types::incident::Incident;
use shared_types::rollout::Rollout;
use shared_types::{Actor, IncidentId, PhaseId, TargetName, Timestamp, Via};
use utoipa::ToSchema;

use super::changed;
use super::{App, incidents};
use crate::evidence;
use crate::reporter::Cause;
use crate::store::{Act, Changed};
use domain::rollout::{self, Event};

/// Starts a rollout.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Start {
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Moves a rollout up one phase.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Promotion {
    /// The phase to leave, if it should be refused in any other.
    #[serde(default, alias = "phase")]
    pub from: Option<PhaseId>,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Moves a rollout down one phase.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Rollback {
    /// The current phase; any other is refused (RB-7).
    pub phase: PhaseId,
    pub reason: String,
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Takes an incident on.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// Who, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
    /// When, if it was not now: never before the incident opened, never in the future.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// Who acts over the API.
pub(super) fn actor(identity: &Identity, by: Option<String>) -> Result<Actor, ApiError> {
    service_kit::http::acts::actor(identity, by, Via::Api)
}

pub(super) async fn act(
    app: &App,
    target: &TargetName,
    actor: Actor,
    key: IdempotencyKey,
    event: Event,
) -> Result<Changed, ApiError> {
    let asked = || rollout::audit::told(&event).detail;
    let act = key.0.map(|request_id| Act::new(request_id, target.as_str(), event.name(), asked()));
    let cause = Cause { actor, act: act.as_ref(), ..Cause::default() };
    Ok(app.reporter.apply(target, cause, &|_| event.clone()).await?)
}

/// Start the rollout: from `off` to the first phase.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/start", tag = "rollouts", operation_id = "start_rollout",
    security(("bearer" = [MAY_OPERATE])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Start,
    responses(
        (status = 202, description = "Requested; the command follows", body = Rollout),
        (status = 200, description = "Requested before under this key; the first answer", body = Rollout),
        (status = 409, description = "What stands in the way, by name", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn start(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<Start>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    let rules = app.reporter.rules();
    let policy = rules.policy.targets.get(&target);
    let obstacles = policy.map(|policy| app.executors.obstacles(&target, policy)).unwrap_or_default();
    let changed = act(&app, &target, actor, key, Event::Start { by, obstacles }).await?;
    changed::answer(&target, changed)
}

/// Move up exactly one phase.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/promotions", tag = "rollouts", operation_id = "promote_rollout",
    security(("bearer" = [MAY_OPERATE])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Promotion,
    responses(
        (status = 202, description = "Requested; the command follows", body = Rollout),
        (status = 200, description = "Requested before under this key; the first answer", body = Rollout),
        (status = 409, description = "Everything that is missing, by name", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn promote(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<Promotion>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    evidence::refresh_all(&app.reporter, &target).await?;
    let changed = act(&app, &target, actor, key, Event::Promote { by, from: body.from }).await?;
    changed::answer(&target, changed)
}

/// Move down exactly one phase.
#[utoipa::path(
    post, path = "/v1/rollouts/{target}/rollbacks", tag = "rollouts", operation_id = "roll_back",
    security(("bearer" = [MAY_STOP])),
    params(("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Rollback,
    responses(
        (status = 202, description = "Requested; the command follows", body = Rollout),
        (status = 200, description = "Requested before under this key; the first answer", body = Rollout),
        (status = 409, description = "Not the current phase, or a move is under way",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn roll_back(
    State(app): State<App>,
    identity: Identity,
    Path(target): Path<TargetName>,
    key: IdempotencyKey,
    Json(body): Json<Rollback>,
) -> Result<Response, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    let reason = text("reason", &body.reason)?;
    let changed = act(&app, &target, actor, key, Event::Rollback { by, from: body.phase, reason }).await?;
    changed::answer(&target, changed)
}

pub(super) async fn on_incident(
    app: &App,
    id: &IncidentId,
    actor: Actor,
    event: Event,
) -> Result<Json<Incident>, ApiError> {
    let Some(incident) = app.reporter.store.incident(id).await? else {
        return Err(ApiError::not_found(format!("no incident {id}")));
    };
    let cause = Cause { actor, incident: Some(id), ..Cause::default() };
    let changed = app.reporter.apply(&incident.target, cause, &|_| event.clone()).await?;
    changed::accepted(&incident.target, changed)?;
    evidence::refresh(&app.reporter, id).await?;
    incidents::view(app, id).await.map(Json)
}

/// Acknowledge an incident. The first acknowledgement counts; it stops an escalation that is yet to come.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/acknowledgement", tag = "incidents", operation_id = "acknowledge_incident",
    security(("bearer" = [MAY_OPERATE])),
    params(("id" = String, Path)),
    request_body = Acknowledgement,
    responses(
        (status = 200, description = "The incident as it stands now", body = Incident),
        (status = 409, description = "It is closed", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn acknowledge(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<IncidentId>,
    Json(body): Json<Acknowledgement>,
) -> Result<Json<Incident>, ApiError> {
    let actor = actor(&identity, body.by)?;
    let by = actor.name.clone();
    let at = body.at.unwrap_or_else(|| app.reporter.clock.now());
    on_incident(&app, &id, actor, Event::Acknowledged { by, at }).await
}
