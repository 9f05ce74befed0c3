//! What the collector does to the outside world, a file an effect: batches and events to the analyzer, acts to the reporter,
//! files. All may be done twice without harm: the receivers know what they were told by its id, files are replaced whole or
//! checked before a line is added.

mod append_retry_failure;
mod deliver_batch;
mod deliver_event;
pub mod messages;
mod tell_act;
mod write_archive;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use service_kit::client::Neighbour;
use service_kit::outbox::{EffectKind, Outcome, Registry};
use shared_types::{Batch, TargetName, Timestamp};

use crate::store::Store;

pub use append_retry_failure::{AppendRetryFailure, RetryFailure, retry_failures_path};
pub use deliver_batch::DeliverBatch;
pub use deliver_event::DeliverEvent;
pub use tell_act::TellAct;
pub use write_archive::{WriteArchive, archive_path, line_of};

/// How long a delivery may take.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What the collector does its effects with.
pub struct Effects {
    pub store: Store,
    pub analyzer: Neighbour,
    pub reporter: Neighbour,
    pub data_dir: PathBuf,
}

impl Registry for Effects {
    const EFFECTS: &'static [EffectKind<Self>] = &[
        EffectKind::of::<DeliverBatch>(),
        EffectKind::of::<DeliverEvent>(),
        EffectKind::of::<WriteArchive>(),
        EffectKind::of::<AppendRetryFailure>(),
        EffectKind::of::<TellAct>(),
    ];
}

impl Effects {
    /// The batch that an effect is about.
    async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Batch, Outcome> {
        match self.store.batch(target, window_start).await {
            Ok(Some(row)) => Ok(row.batch),
            Ok(None) => Err(Outcome::Never { reason: "the batch is no longer kept".to_owned() }),
            Err(error) => Err(Outcome::Failed { reason: error.to_string() }),
        }
    }
}

/// Writes a file beside the threads that must not wait.
async fn in_file(
    answer: serde_json::Value,
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Outcome {
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => Outcome::Done(answer),
        Ok(Err(error)) => Outcome::Failed { reason: error.to_string() },
        Err(panic) => Outcome::Failed { reason: panic.to_string() },
    }
}
