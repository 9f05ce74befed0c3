//! The collector over HTTP. Handlers extract, ask, and map; what they answer is committed.

mod directory;
mod events;
mod policies;
mod targets;

use std::sync::Arc;

use axum::Router;
use service_kit::ServiceName;
use service_kit::clock::Clock;
use service_kit::http::{ApiError, Bulk, openapi as document};
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::TargetName;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::sources::PushQueue;
use crate::store::Store;
use crate::worker::WorkerHandle;

pub use directory::Directory;
pub use targets::{LastBatch, OpenWindowView, PauseRequest, Paused, SourceView, TargetView};

/// Largest body of a push, decompressed.
pub const BODY_LIMIT: usize = 8 << 20;
/// Pushes have bounds of their own: those that wait for their commit never keep a directive or a pause from coming in.
pub const PUSHES: Bulk = Bulk { calls: &["/events"], in_flight: 512, body_budget: 64 << 20 };

/// What handlers work with.
#[derive(Clone)]
pub struct Api {
    pub targets: Directory,
    pub versions: PolicyVersions,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// A turn for each thread that may parse large bodies: more of them would take the cores from what decides and directs.
    pub parsers: Arc<Semaphore>,
}

/// One target.
#[derive(Clone)]
pub struct TargetEntry {
    pub queue: PushQueue,
    pub worker: WorkerHandle,
}

impl Api {
    fn target(&self, name: &TargetName) -> Result<TargetEntry, ApiError> {
        self.targets.get(name).ok_or_else(|| unknown(name))
    }

    /// The target with what the policy says of it now.
    fn target_and_rules(&self, name: &TargetName) -> Result<(TargetEntry, Arc<Rules>), ApiError> {
        let (entry, rules) = (self.target(name)?, self.versions.current());
        if rules.policy.targets.contains_key(name) { Ok((entry, rules)) } else { Err(unknown(name)) }
    }
}

fn unknown(name: &TargetName) -> ApiError {
    ApiError::not_found(format!("the policy has no target `{name}`"))
}

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
        .routes(routes!(targets::get_target))
        .routes(routes!(targets::put_directive))
        .routes(routes!(targets::pause))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get))
}
