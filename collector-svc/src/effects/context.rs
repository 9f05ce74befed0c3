//! What effects are done with.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use service_kit::client::Neighbour;
use service_kit::outbox::Outcome;
use shared_types::{Batch, TargetName, Timestamp};

use crate::store::Store;

/// How long a delivery may take.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the collector does its effects with.
pub struct Effects {
    pub store: Store,
    pub analyzer: Neighbour,
    pub reporter: Neighbour,
    pub data_dir: PathBuf,
}

impl Effects {
    /// The batch that an effect is about.
    pub(super) async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Batch, Outcome> {
        match self.store.batch(target, window_start).await {
            Ok(Some(row)) => Ok(row.batch),
            Ok(None) => Err(Outcome::Never { reason: "the batch is no longer kept".to_owned() }),
            Err(error) => Err(Outcome::Failed { reason: error.to_string() }),
        }
    }
}

/// Writes a file beside the threads that must not wait.
pub(super) async fn in_file(
    answer: serde_json::Value,
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Outcome {
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => Outcome::Done(answer),
        Ok(Err(error)) => Outcome::Failed { reason: error.to_string() },
        Err(panic) => Outcome::Failed { reason: panic.to_string() },
    }
}
