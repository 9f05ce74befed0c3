//! The gate tried on given batches or events (SLO-11): nothing is stored, nothing is sent.

use std::sync::Arc;

use axum::extract::State;
use domain::policy::{Policy, PolicyError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::http::{ApiError, Json};
use shared_types::problem::ProblemCode;
use shared_types::{Batch, Decision, PhaseId, TargetName, Verdict};
use utoipa::ToSchema;

use crate::analyzer::Analyzer;
use domain::whatif::dry_run;

use super::error::not_tried;

/// What to judge, and by what. Exactly one of `batch`, `batches`, `events` and `ndjson` is given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EvaluationRequest {
    /// The policy's target whose metrics and thresholds are asked for.
    pub target: TargetName,
    /// The phase to judge by, whatever the batches say.
    pub phase: PhaseId,
    #[serde(default)]
    pub batch: Option<Box<Batch>>,
    /// In any order; each sees those before it as its history.
    #[serde(default)]
    pub batches: Option<Vec<Batch>>,
    /// Telemetry events, counted by the policy's window.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub events: Option<Box<RawValue>>,
    /// Lines of events or of batches.
    #[serde(default)]
    pub ndjson: Option<String>,
    /// The text of another policy than the one in force.
    #[serde(default)]
    pub policy: Option<String>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// The worst of the decisions.
    pub verdict: Verdict,
    /// In the order of their windows.
    pub decisions: Vec<Decision>,
}

/// Judge without storing or sending anything
#[utoipa::path(
    post,
    path = "/v1/evaluations",
    security(("bearer" = ["viewer"])),
    tag = "trial",
    responses((status = 200, description = "The decisions that would be made", body = Evaluation))
)]
pub(super) async fn post_evaluation(
    State(analyzer): State<Analyzer>,
    Json(request): Json<EvaluationRequest>,
) -> Result<Json<Evaluation>, ApiError> {
    // What may take seconds must not keep the threads that answer batches.
    let evaluated = tokio::task::spawn_blocking(move || {
        let policy = match &request.policy {
            None => analyzer.policy(),
            Some(text) => {
                let parsed = Policy::parse_with(text, "policy", &analyzer.policy().kinds);
                let wrong = |error: PolicyError| {
                    ApiError::unprocessable(ProblemCode::InvalidPolicy, error.to_string())
                };
                Arc::new(parsed.map_err(wrong)?)
            }
        };
        evaluate(&policy, request)
    });
    let decisions = evaluated.await.map_err(ApiError::internal)??;
    Ok(Json(Evaluation { verdict: dry_run::worst(&decisions), decisions }))
}

fn evaluate(policy: &Policy, request: EvaluationRequest) -> Result<Vec<Decision>, ApiError> {
    let EvaluationRequest { target, phase, batch, batches, events, ndjson, .. } = request;
    let judge = |fixture: &[u8]| dry_run::dry_run(policy, &target, &phase, fixture);
    match (batch, batches, events, ndjson) {
        (Some(batch), None, None, None) => {
            dry_run::judge_all(policy, &target, &phase, vec![(1, *batch)]).map_err(not_tried)
        }
        (None, Some(batches), None, None) => {
            let numbered = std::iter::zip(1.., batches).collect();
            dry_run::judge_all(policy, &target, &phase, numbered).map_err(not_tried)
        }
        (None, None, Some(events), None) if events.get().starts_with('[') => {
            judge(events.get().as_bytes()).map_err(not_tried)
        }
        (None, None, Some(_), None) => {
            Err(ApiError::unprocessable(ProblemCode::InvalidBody, "field `events`: expected an array"))
        }
        (None, None, None, Some(text)) => judge(text.as_bytes()).map_err(not_tried),
        _ => Err(ApiError::unprocessable(
            ProblemCode::InvalidFixture,
            "expected exactly one of `batch`, `batches`, `events` and `ndjson`",
        )),
    }
}
