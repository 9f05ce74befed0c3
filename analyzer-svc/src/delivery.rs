//! Decisions on their way to the reporter.

use async_trait::async_trait;
use domain::effects::{AfterLastRetry, NewMessage, RetrySchedule};
use domain::stored::plain;
use service_kit::client::Neighbour;
use service_kit::outbox::{Claim, Handler, Outcome};
use shared_types::{Decision, Timestamp};

/// The kind of the messages in the outbox; also their metric label.
pub const DELIVER_DECISION: &str = "DeliverDecision";

/// A reporter that is away comes back: tried for ever, soon at first.
const BACKOFF_S: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// The message that carries a decision. A lane a target keeps decisions in the order they were made in, and
/// lets no target wait for another.
#[must_use]
pub fn message(decision: &Decision, now: Timestamp) -> NewMessage {
    NewMessage {
        dedup_key: format!("decision/{}", decision.decision_id),
        lane: format!("reporter/{}", decision.target),
        kind: DELIVER_DECISION,
        subject: decision.decision_id.to_string(),
        payload: plain(decision),
        due_at: now,
        retry: RetrySchedule {
            delays_ms: BACKOFF_S.map(|seconds| seconds * 1000).to_vec(),
            then: AfterLastRetry::RepeatLast,
        },
    }
}

/// Hands decisions to the reporter, who recognises a repeat by its id.
#[derive(Debug, Clone)]
pub struct Deliverer {
    reporter: Neighbour,
}

impl Deliverer {
    #[must_use]
    pub fn new(reporter: Neighbour) -> Self {
        Self { reporter }
    }
}

#[async_trait]
impl Handler for Deliverer {
    async fn handle(&self, claim: &Claim) -> Outcome {
        match claim.kind.as_str() {
            DELIVER_DECISION => self.reporter.deliver("/v1/decisions", &claim.payload).await,
            other => Outcome::Never { reason: format!("the analyzer does not know how to do `{other}`") },
        }
    }
}
