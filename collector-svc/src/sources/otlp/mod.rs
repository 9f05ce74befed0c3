//! OTLP over HTTP: metrics, logs and spans that are sent, each for the targets whose `match` its resource fits.
//!
//! Logs and spans become lines of events, which come in as pushes do (`lines`). Data points are counted by the worker when it
//! commits, with how far each stream was counted (`streams`): the same request again adds nothing.

mod attributes;
mod count;
pub(crate) mod delivery;
mod lines;
pub(crate) mod metrics;
pub(crate) mod refused;
mod spread;
mod streams;

use super::{Opened, Opening, Reader};

pub(crate) use count::count;
pub use delivery::Delivery;
pub(crate) use lines::{of_logs, of_spans, span_specs};
pub use metrics::{Reading, readings};
pub use refused::Refused;

/// Nothing is pulled: what is sent comes through the target's queue.
pub const READER: Reader = Reader { key: domain::sources::otlp::KIND.key, open };

fn open(_opening: &Opening<'_>) -> Opened {
    Ok(None)
}
