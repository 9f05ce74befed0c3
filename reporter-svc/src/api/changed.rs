//! From what became of a change to an answer: the one table.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use service_kit::http::{ApiError, Json};
use shared_types::TargetName;
use shared_types::problem::ProblemCode;

use crate::store::Changed;
use domain::rollout::{Reason, Rejection};
use domain::story::words;

/// What waits for a person is asked for again after so long.
const BEHIND_AGAIN: Duration = Duration::from_secs(10);

/// The first time 202 (it is committed, the effects follow), a repeat 200 with the first answer.
pub(super) fn answer(target: &TargetName, changed: Changed) -> Result<Response, ApiError> {
    let (status, body) = accepted(target, changed)?;
    Ok((status, Json(body)).into_response())
}

/// As [`answer`], before it becomes a response.
pub(super) fn accepted(target: &TargetName, changed: Changed) -> Result<(StatusCode, Value), ApiError> {
    match changed {
        Changed::Applied { answer, .. } => Ok((StatusCode::ACCEPTED, answer)),
        Changed::Repeated { answer } => Ok((StatusCode::OK, answer)),
        Changed::Differs => Err(ApiError::conflict(
            ProblemCode::DecisionDiffers,
            "a decision was taken in under this `decision_id` that says something else",
            Vec::new(),
        )),
        Changed::Rejected { rejection, .. } => Err(refused(rejection)),
        Changed::KeyReused => Err(ApiError::conflict(
            ProblemCode::IdempotencyKeyReused,
            "this Idempotency-Key was used for a different request",
            Vec::new(),
        )),
        Changed::UnknownTarget => Err(ApiError::not_found(format!("no target {target} in the policy"))),
        Changed::UnknownIncident => Err(ApiError::not_found("no such incident")),
        Changed::NotDead => Err(ApiError::conflict(
            ProblemCode::NotDead,
            "only an effect that was given up can be retried",
            Vec::new(),
        )),
        Changed::Fenced => Err(ApiError::internal(anyhow::anyhow!("an act of a person was fenced"))),
    }
}

fn refused(rejection: Rejection) -> ApiError {
    match rejection.reason() {
        Reason::NoIncident | Reason::NoSuchItem => ApiError::not_found(rejection.to_string()),
        Reason::Unrenderable => ApiError::internal(rejection),
        Reason::Behind => ApiError::unavailable(rejection.to_string(), BEHIND_AGAIN),
        Reason::Implausible => ApiError::unprocessable(rejection.code(), rejection.to_string()),
        _ => {
            let blockers = words::blockers(&rejection.blockers);
            ApiError::conflict(rejection.code(), rejection.to_string(), blockers)
        }
    }
}
