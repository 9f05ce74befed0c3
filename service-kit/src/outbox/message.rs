//! What a worker gets out of the outbox, and what it says came of it.

use std::time::Duration;

use domain::stored::{self, Document, Unreadable};
use shared_types::Timestamp;

use super::Lease;
use domain::effects::RetrySchedule;

/// A claimed row: the right to do it, until `lease_until`.
#[derive(Debug, Clone)]
pub struct Claim {
    pub id: String,
    pub dedup_key: String,
    pub lane: String,
    pub kind: String,
    pub subject: String,
    pub payload: serde_json::Value,
    /// The fencing token: how often the row was claimed, this claim included.
    pub fence: i64,
    pub retry: RetrySchedule,
    /// Delays of the schedule that were used before this claim (a person's retry starts over at 0).
    pub step: u32,
    /// Failures recorded before this claim.
    pub failures: u32,
    /// Unknown outcomes recorded before this claim; > 0 marks a resend that may duplicate (NO-4).
    pub unknowns: u32,
    /// Since when every replica that looked at it did not know its kind.
    pub kind_unknown_since: Option<Timestamp>,
    pub enqueued_at: Timestamp,
    pub lease_until: Timestamp,
    /// How long the work may go on, renewals included.
    pub lease: Lease,
    /// How long its lane rests after an attempt.
    pub pace: Duration,
    /// W3C `traceparent` of the span that enqueued it.
    pub trace_parent: Option<String>,
}

impl Claim {
    /// The payload.
    ///
    /// # Errors
    /// The payload is not one.
    pub fn decode<D: Document>(&self) -> Result<D, Unreadable> {
        stored::read_value(self.payload.clone())
    }

    /// Whether this outcome is the one failure after which no listed retry is left.
    #[must_use]
    pub fn exhausts_retries(&self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Failed { .. } | Outcome::Refused { .. } | Outcome::Unknown { .. })
            && self.retry.is_exhausted_by_failure_at(self.step)
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Done; what the receiver said is kept.
    Done(serde_json::Value),
    /// Failed without effect; tried again by the schedule.
    Failed { reason: String },
    /// Refused without effect, perhaps by what stands between (401, 403, 404, 407): tried again by the schedule, and given up at
    /// its end even where that goes on for ever for an outage.
    Refused { reason: String },
    /// The receiver asked for patience (429, 503 with `Retry-After`): not a failure, not counted.
    Postponed { after: Duration, reason: String },
    /// It may have happened (no reply after the request was written); tried again by the schedule, marked.
    Unknown { reason: String },
    /// Nobody here knows how to do it: left to a newer replica, as long as there may be one.
    KindUnknown { reason: String },
    /// Will never work (a 4xx): dead at once.
    Never { reason: String },
}

impl Outcome {
    /// The metric label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.into()
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Done(_) => None,
            Self::Failed { reason }
            | Self::Refused { reason }
            | Self::Postponed { reason, .. }
            | Self::Unknown { reason }
            | Self::KindUnknown { reason }
            | Self::Never { reason } => Some(reason),
        }
    }
}

/// What recording an outcome did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Done,
    /// Will be tried again then.
    Retrying(Timestamp),
    /// Retries are used up, or it can never work. A person can retry it.
    Dead,
    /// The row was claimed by another worker since; nothing was recorded.
    Fenced,
}
