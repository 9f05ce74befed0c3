//! The collector over HTTP. Handlers extract, ask, and map; what they answer is committed.

mod app;
mod directory;
mod events;
mod otlp;
mod policies;
mod targets;

use axum::Router;
use service_kit::ServiceName;
use service_kit::http::{Bulk, openapi as document};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use app::{Api, TargetEntry};
pub use directory::Directory;
pub use targets::{LastBatch, OpenWindowView, PauseRequest, Paused, SourceView, TargetView};

/// Largest body of a push, decompressed.
pub const BODY_LIMIT: usize = 8 << 20;
/// Pushes have bounds of their own: those that wait for their commit never keep a directive or a pause from coming in.
pub const PUSHES: Bulk = Bulk {
    calls: &["/events", "/v1/metrics", "/v1/logs", "/v1/traces"],
    in_flight: 512,
    body_budget: 64 << 20,
};

/// The routes.
pub fn router(api: Api) -> Router {
    routes().with_state(api).split_for_parts().0
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> OpenApi {
    document::finish(routes().into_openapi(), ServiceName::Collector)
}

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(events::push_events))
        .routes(routes!(otlp::push_metrics))
        .routes(routes!(otlp::push_logs))
        .routes(routes!(otlp::push_traces))
        .routes(routes!(targets::get_target))
        .routes(routes!(targets::put_directive))
        .routes(routes!(targets::pause))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get))
}
