//! Whether a rollout is well, in one word.

use std::time::Duration;

use axum::extract::State;
use domain::story::{views, words};
use service_kit::http::{ApiError, Json, Path};
use shared_types::{TargetName, TargetVerdict};

use super::App;

/// When to ask again for what is not known.
const AGAIN: Duration = Duration::from_secs(15);

/// Whether a target is well in its present phase. Never better than what is known: what is not known is 503
#[utoipa::path(
    get, path = "/v1/targets/{target}/verdict", tag = "rollouts", operation_id = "get_verdict",
    params(("target" = String, Path, description = "The target's name")),
    responses(
        (status = 200, description = "What is known now", body = TargetVerdict),
        (status = 503, description = "It is not known: nothing is judged in this phase, or not yet, or not any more; `blockers` says \
         which. Ask again after `Retry-After`", body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(target): Path<TargetName>,
) -> Result<Json<TargetVerdict>, ApiError> {
    known(&app, &target).await.map(Json)
}

/// What is known of it now.
///
/// # Errors
/// 404: the policy has no such target. 503: nothing is known, or the database's.
pub(super) async fn known(app: &App, target: &TargetName) -> Result<TargetVerdict, ApiError> {
    let stored = app.reporter.store.target(target).await?;
    let rules = app.reporter.rules();
    let (Some(stored), Some(terms)) = (stored, app.reporter.terms(&rules, target)) else {
        return Err(ApiError::not_found(format!("no target {target} in the policy")));
    };
    views::verdict(&stored.state, &terms).map_err(|why| {
        let phase = &stored.state.phase;
        let detail = format!("whether {target} is well in {phase} is not known: {}", words::blocker(&why));
        ApiError::not_known(detail, words::blockers(&[why]), AGAIN)
    })
}
