//! What handlers work with.

use std::sync::Arc;
use std::time::Duration;

use service_kit::clock::Clock;
use service_kit::http::ApiError;
use service_kit::rules::{PolicyVersions, Rules};
use shared_types::TargetName;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::directory::Directory;
use crate::sources::PushQueue;
use crate::store::Store;
use crate::worker::WorkerHandle;

/// How long what is pushed waits for its commit.
pub(super) const COMMIT_PATIENCE: Duration = Duration::from_secs(20);

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

/// What became of something that was pushed, once it is stored. `unsure` says what holds where that takes longer.
pub(super) async fn committed<T>(
    answer: oneshot::Receiver<T>,
    deadline: Instant,
    unsure: &str,
) -> Result<T, ApiError> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(ApiError::unavailable("the collector is stopping", Duration::from_secs(1))),
        Err(_) => Err(ApiError::unavailable(unsure, Duration::from_secs(5))),
    }
}

/// Bodies beyond this are parsed off the threads that serve requests.
const PARSE_INLINE_MAX: usize = 128 * 1024;

impl Api {
    /// Parses a body of so many bytes.
    pub(super) async fn parsed<T: Send + 'static>(
        &self,
        bytes: usize,
        parse: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= PARSE_INLINE_MAX {
            return Ok(parse());
        }
        let failed = |error: anyhow::Error| {
            ApiError::unavailable("the body could not be parsed now", Duration::from_secs(1)).caused_by(error)
        };
        // Never closed.
        let _turn = self.parsers.acquire().await.map_err(|error| failed(error.into()))?;
        tokio::task::spawn_blocking(parse).await.map_err(|error| failed(error.into()))
    }

    pub(super) fn target(&self, name: &TargetName) -> Result<TargetEntry, ApiError> {
        self.targets.get(name).ok_or_else(|| unknown(name))
    }

    /// The target with what the policy says of it now.
    pub(super) fn target_and_rules(&self, name: &TargetName) -> Result<(TargetEntry, Arc<Rules>), ApiError> {
        let (entry, rules) = (self.target(name)?, self.versions.current());
        if rules.policy.targets.contains_key(name) { Ok((entry, rules)) } else { Err(unknown(name)) }
    }
}

pub(super) fn unknown(name: &TargetName) -> ApiError {
    ApiError::not_found(format!("the policy has no target `{name}`"))
}
