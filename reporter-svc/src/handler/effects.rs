//! What effects are done with.

use std::path::PathBuf;
use std::sync::Arc;

use service_kit::client::Neighbour;
use tokio_util::sync::CancellationToken;

use crate::dashboard::Publisher;
use crate::executors::Executors;
use crate::notifiers::Notifiers;
use crate::ports::{Messenger, Pager};
use crate::reporter::Reporter;
use crate::store::Settled;

/// The outbox handler of the service.
pub struct Effects {
    pub reporter: Arc<Reporter>,
    pub publisher: Arc<Publisher>,
    pub notifiers: Notifiers,
    pub messenger: Arc<dyn Messenger>,
    pub pager: Arc<dyn Pager>,
    pub executors: Executors,
    pub collector: Neighbour,
    /// The same neighbour with the short deadline of the stop before a command (RB-5).
    pub collector_quick: Neighbour,
    pub data_dir: PathBuf,
    /// Cancelled when the service stops: a command ended by that is run again, and does not count as failed.
    pub stopping: CancellationToken,
}

/// Nothing but the outcome.
pub(super) fn plain<'a>() -> Settled<'a> {
    Settled { notification: None, incident: None, hop: None }
}
