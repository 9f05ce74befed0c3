//! The analyzer over HTTP: handlers extract, call, map; the document is generated from them.

mod backtests;
mod batches;
mod decisions;
mod error;
mod evaluations;
mod explanations;
mod filter;
mod gate;
mod policies;

use axum::Extension;
use service_kit::ServiceName;
use service_kit::http::openapi::finish;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::analyzer::Analyzer;

pub use backtests::BacktestRequest;
pub use evaluations::{Evaluation, EvaluationRequest};
pub use gate::TargetGate;

/// Ends trials when the service stops: history stays, and can be asked about again.
#[derive(Debug, Clone)]
struct Stop(CancellationToken);

/// The service's own routes, of one that `stop` ends.
pub fn routes(analyzer: Analyzer, stop: &CancellationToken) -> axum::Router {
    described().with_state(analyzer).split_for_parts().0.layer(Extension(Stop(stop.clone())))
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> OpenApi {
    finish(described().into_openapi(), ServiceName::Analyzer)
}

fn described() -> OpenApiRouter<Analyzer> {
    OpenApiRouter::new()
        .routes(routes!(batches::post_batch, batches::get_batches))
        .routes(routes!(batches::post_batches))
        .routes(routes!(batches::post_collector_event))
        .routes(routes!(decisions::get_decisions))
        .routes(routes!(decisions::get_decision))
        .routes(routes!(explanations::get_explanation))
        .routes(routes!(gate::get_gate))
        .routes(routes!(evaluations::post_evaluation))
        .routes(routes!(backtests::post_backtest))
        .routes(routes!(policies::get_policies))
        .routes(routes!(policies::get_policy))
}

#[cfg(test)]
mod tests;
