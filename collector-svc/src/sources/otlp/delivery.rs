//! What waits in a target's queue.

use service_kit::http::BodyShare;
use tokio::sync::oneshot;

use super::metrics::Reading;
use super::refused::Refused;

/// The data points of one request for one target.
#[derive(Debug)]
pub struct Delivery {
    pub readings: Vec<Reading>,
    /// What they are chosen by.
    pub chosen_by: String,
    /// Told what was refused when the others are committed.
    pub reply: oneshot::Sender<Refused>,
    /// The request's share of the byte budget, given back with the answer.
    pub share: BodyShare,
}
