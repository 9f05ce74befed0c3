//! The hooks of Flagger, which goes by the status of an answer alone. Two calls and not one with a mode: a 2xx lets `confirm-…` hooks
//! go on, and has a `rollback` hook roll back, so that every doubt is none in either.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiError, Json, Path};
use shared_types::problem::ProblemCode;
use shared_types::{TargetName, TargetVerdict};
use utoipa::ToSchema;

use super::App;
use super::verdict;

/// What Flagger says of its canary. Which target is meant stands in the path; nothing of this is gone by.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct CanaryCall {
    pub name: String,
    pub namespace: String,
    pub phase: String,
    pub checksum: String,
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Flagger's `confirm-traffic-increase` and `confirm-promotion`: whether more users may have it. Changes nothing
#[utoipa::path(
    post, path = "/v1/targets/{target}/flagger/confirm", tag = "rollouts", operation_id = "flagger_confirm",
    security(("bearer" = ["viewer"])),
    params(("target" = String, Path, description = "The target's name")),
    request_body = CanaryCall,
    responses(
        (status = 200, description = "It is well, and nothing stands in the way of a move up", body = TargetVerdict),
        (status = 409, description = "It is not, or something does: `detail` and `blockers` say what", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "It is not known", body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn confirm(
    State(app): State<App>,
    Path(target): Path<TargetName>,
    Json(_canary): Json<CanaryCall>,
) -> Result<Json<TargetVerdict>, ApiError> {
    let known = verdict::known(&app, &target).await?;
    if known.ok && known.blockers.is_empty() {
        return Ok(Json(known));
    }
    Err(refused(ProblemCode::Blocked, format!("{target} may not go on from {}", known.phase), known))
}

/// Flagger's `rollback`: whether it has to be taken back. Changes nothing
#[utoipa::path(
    post, path = "/v1/targets/{target}/flagger/rollback", tag = "rollouts", operation_id = "flagger_rollback",
    security(("bearer" = ["viewer"])),
    params(("target" = String, Path, description = "The target's name")),
    request_body = CanaryCall,
    responses(
        (status = 200, description = "It has to: the policy asks for it, or a rollback is under way, has failed or has just been made",
         body = TargetVerdict),
        (status = 409, description = "Nothing asks for it; or a rollback waits, and nothing is to be taken back by itself",
         body = shared_types::Problem, content_type = "application/problem+json"),
        (status = 503, description = "It is not known", body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn roll_back(
    State(app): State<App>,
    Path(target): Path<TargetName>,
    Json(_canary): Json<CanaryCall>,
) -> Result<Json<TargetVerdict>, ApiError> {
    let known = verdict::known(&app, &target).await?;
    if known.roll_back {
        return Ok(Json(known));
    }
    Err(refused(
        ProblemCode::Refused,
        format!("{target} is not to be taken back from {}", known.phase),
        known,
    ))
}

/// Flagger shows an answer's text in its events, so it is whole by itself.
fn refused(code: ProblemCode, what: String, known: TargetVerdict) -> ApiError {
    let mut detail = what + ": " + known.verdict.as_str();
    for it in &known.blockers {
        detail.push_str(&format!("; {}: {}", it.code, it.detail));
    }
    ApiError::conflict(code, detail, known.blockers)
}
