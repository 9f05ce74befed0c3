//! What goes into an outbox.

use std::time::Duration;

use shared_types::Timestamp;

use super::{Effect, RetrySchedule};
use crate::stored::{self, Form};

/// What to enqueue.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The same key is enqueued once, as long as the row is kept (finished rows: for some days).
    pub dedup_key: String,
    /// One receiver's queue; one line, first in, first out.
    pub lane: String,
    /// What it is, also the metric label.
    pub kind: &'static str,
    /// What it belongs to (incident, decision or batch id), for people who look for it.
    pub subject: String,
    /// JSON.
    pub payload: serde_json::Value,
    /// Of the payload.
    pub form: Form,
    /// Not before. A head that is not due holds up its lane: what waits wants a lane of its own.
    pub due_at: Timestamp,
    pub retry: RetrySchedule,
    /// How long its lane rests after an attempt, whichever replica made it (NO-8).
    pub pace: Duration,
}

impl NewMessage {
    /// The row of an effect that is due now.
    #[must_use]
    pub fn of<E: Effect>(effect: &E, dedup_key: String, subject: String, now: Timestamp) -> Self {
        Self {
            dedup_key,
            lane: effect.lane(),
            kind: effect.row_kind(),
            subject,
            payload: stored::payload(effect),
            form: Form::of::<E>(),
            due_at: now,
            retry: effect.retry(),
            pace: Duration::ZERO,
        }
    }
}
