//! What a flag system serves, read when somebody asks.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::auth::role::MAY_STOP;
use service_kit::http::{ApiError, Json, Path};
use service_kit::outbox::Outcome;
use shared_types::{PhaseId, TargetName};
use utoipa::ToSchema;

use super::App;
use crate::drift;

/// What is served beside what is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Served {
    pub target: TargetName,
    /// On record.
    pub phase: PhaseId,
    pub state: ServedState,
    /// What is served in its place, or why it was not read.
    pub detail: Option<String>,
}

/// Whether what is on record is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServedState {
    AsRecorded,
    Other,
    /// It could not be read.
    Unread,
    /// There is nothing to read: it moves, has not begun, or its policy has no read-back.
    NotAsked,
}

/// Read back what the flag system serves. Nothing follows from it: the reporter looks by itself, once in every window.
#[utoipa::path(
    get, path = "/v1/rollouts/{target}/served", tag = "rollouts", operation_id = "read_served",
    security(("bearer" = [MAY_STOP])),
    params(("target" = String, Path, description = "The target's name")),
    responses((status = 200, description = "As it is served now", body = Served))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(target): Path<TargetName>,
) -> Result<Json<Served>, ApiError> {
    let unknown = || ApiError::not_found(format!("no target {target} in the policy"));
    let rules = app.reporter.rules();
    let policy = rules.policy.targets.get(&target).ok_or_else(unknown)?;
    let state = app.reporter.store.target(&target).await?.ok_or_else(unknown)?.state;
    let (found, detail) = match drift::read(&app.executors, &state, policy).await {
        None | Some(Err(Outcome::Postponed { .. })) => (ServedState::NotAsked, None),
        Some(Ok(read)) if read.as_asked => (ServedState::AsRecorded, None),
        Some(Ok(read)) => (ServedState::Other, Some(read.served)),
        Some(Err(outcome)) => (ServedState::Unread, Some(outcome.reason().unwrap_or_default().to_owned())),
    };
    Ok(Json(Served { target, phase: state.phase, state: found, detail }))
}
