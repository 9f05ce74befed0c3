//! Hands a decision to the reporter, who recognises a repeat by its id.

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::{Document, plain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::{Decision, Timestamp};

use super::Effects;

/// A decision as it was made: a newer replica's may say more than is known here, and the reporter is to have all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliverDecision(Value);

impl DeliverDecision {
    /// The message that carries a decision.
    #[must_use]
    pub fn message(decision: &Decision, now: Timestamp) -> NewMessage {
        let key = format!("decision/{}", decision.decision_id);
        NewMessage::of(&Self(plain(decision)), key, decision.decision_id.to_string(), now)
    }
}

impl Document for DeliverDecision {
    const KIND: &'static str = "DeliverDecision";
}

impl Effect for DeliverDecision {
    /// One a target keeps decisions in the order they were made in, and lets no target wait for another.
    fn lane(&self) -> String {
        format!("reporter/{}", self.0["target"].as_str().unwrap_or_default())
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for DeliverDecision {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.reporter.deliver_together("/v1/decisions", &self.0).await
    }
}
