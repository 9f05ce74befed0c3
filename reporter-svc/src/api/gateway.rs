//! What the analyzer knows, asked for through the reporter, so that the page needs one service only. The answers are the
//! analyzer's own, unread.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use service_kit::client::ClientError;
use service_kit::http::{ApiError, Json, Path};
use shared_types::problem::ProblemCode;
use uuid::Uuid;

use super::App;

/// Why a decision came out as it did, recomputed: see the analyzer's call of the same name.
#[utoipa::path(
    get, path = "/v1/decisions/{id}/explanation", tag = "decisions", operation_id = "explain_decision",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The analyzer's answer", body = Object),
        (status = 502, description = "The analyzer's answer cannot be used", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn explain(State(app): State<App>, Path(id): Path<Uuid>) -> Result<Json<Value>, ApiError> {
    let path = format!("/v1/decisions/{id}/explanation");
    app.analyzer.get_json(&path).await.map(Json).map_err(passed_on)
}

/// History under another policy: see the analyzer's call of the same name.
#[utoipa::path(
    post, path = "/v1/backtests", tag = "policy", operation_id = "backtest",
    security(("bearer" = ["viewer"])),
    request_body = Object,
    responses(
        (status = 200, description = "The analyzer's answer", body = Object),
        (status = 409, description = "As the analyzer refuses it", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 502, description = "The analyzer's answer cannot be used", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn backtest(
    State(app): State<App>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    app.analyzer.post_json("/v1/backtests", &request).await.map(Json).map_err(passed_on)
}

/// The analyzer's refusals are the caller's; what is wrong between the services is not.
fn passed_on(error: ClientError) -> ApiError {
    const SOON: Duration = Duration::from_secs(2);
    match error {
        ClientError::Refused { status: status @ (400 | 404 | 409 | 413 | 422), problem, .. } => {
            let code = problem.code().unwrap_or(ProblemCode::Refused);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            ApiError::new(status, code, problem.detail)
        }
        ClientError::Refused { status: 429 | 503, problem, retry_after } => ApiError::unavailable(
            format!("the analyzer says: {}", problem.detail),
            retry_after.unwrap_or(SOON),
        ),
        ClientError::Unreachable { .. } | ClientError::NoAnswer { .. } => {
            ApiError::unavailable("the analyzer does not answer; try again", SOON).caused_by(error)
        }
        ClientError::Refused { .. } | ClientError::BadAnswer { .. } => {
            let detail = "the analyzer's answer cannot be used; see the log";
            ApiError::new(StatusCode::BAD_GATEWAY, ProblemCode::BadGateway, detail).caused_by(error)
        }
    }
}
