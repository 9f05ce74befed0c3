//! Sends an event about the collector itself to the analyzer.

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::{CollectorEvent, Timestamp};

use super::context::Effects;

/// Sends an event about the collector itself to the analyzer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliverEvent {
    pub event: CollectorEvent,
}

impl DeliverEvent {
    #[must_use]
    pub fn message(&self, now: Timestamp) -> NewMessage {
        let event = &self.event;
        let subject = format!("{}/{}", event.target, event.window.start.basic_format());
        NewMessage::of(self, format!("event/{}", event.event_id), subject, now)
    }
}

impl Document for DeliverEvent {
    const KIND: &'static str = "deliver_event";
}

impl Effect for DeliverEvent {
    /// One of its own: an event about batches that are not taken must not wait behind them.
    fn lane(&self) -> String {
        format!("analyzer-events/{}", self.event.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for DeliverEvent {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.analyzer.deliver("/v1/collector-events", &self.event).await
    }
}
