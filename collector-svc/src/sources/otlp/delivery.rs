//! What waits in a target's queue.

use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use service_kit::http::BodyShare;
use tokio::sync::oneshot;

use super::metrics::Reading;
use super::refused::Refused;

/// The data points of one request for one target.
#[derive(Debug)]
pub struct Delivery {
    pub readings: Vec<Reading>,
    /// The source by whose settings they were read, and in whose windows alone they count.
    pub of: Chosen<dyn SourceSettings>,
    /// Told what was refused when the others are committed.
    pub reply: oneshot::Sender<Refused>,
    /// The request's share of the byte budget, given back with the answer.
    pub share: BodyShare,
}
