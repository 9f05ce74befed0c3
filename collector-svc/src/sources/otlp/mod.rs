//! OTLP over HTTP: metrics, logs and spans that are sent, each for the targets whose `match` its resource fits.
//!
//! Logs and spans become lines of events, which come in as pushes do (`lines`). Data points are counted by the worker when it
//! commits, with how far each stream was counted (`streams`): the same request again adds nothing.

mod attributes;
mod count;
mod lines;
mod metrics;
mod spread;
mod streams;

use std::collections::BTreeSet;

use service_kit::http::BodyShare;
use tokio::sync::oneshot;

use super::{Opened, Opening, Reader};

pub(crate) use count::{count, is_forgotten};
pub(crate) use lines::{of_logs, of_spans, span_specs};
pub use metrics::{Reading, readings};

/// Nothing is pulled: what is sent comes through the target's queue.
pub const READER: Reader = Reader { key: domain::sources::otlp::KIND.key, open };

fn open(_opening: &Opening<'_>) -> Opened {
    Ok(None)
}

/// Reasons that an answer names.
const REASONS: usize = 5;

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

/// What cannot be counted of a request, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    pub items: u64,
    reasons: BTreeSet<String>,
}

impl Refused {
    pub(crate) fn add(&mut self, items: usize, reason: String) {
        self.items += u64::try_from(items).unwrap_or(u64::MAX);
        if self.reasons.len() < REASONS {
            self.reasons.insert(reason);
        }
    }

    pub(crate) fn merge(&mut self, more: Self) {
        self.items += more.items;
        let room = REASONS.saturating_sub(self.reasons.len());
        self.reasons.extend(more.reasons.into_iter().take(room));
    }

    /// The reasons in one line.
    #[must_use]
    pub fn words(&self) -> String {
        self.reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}
