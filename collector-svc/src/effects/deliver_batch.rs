//! Sends a stored batch to the analyzer, and tells people when the last listed retry has failed (CO-5).

use std::time::Duration;

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use service_kit::db::{DbError, Done};
use service_kit::outbox::{self, Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::{TargetName, Timestamp};

use super::context::Effects;
use super::messages;
use crate::schedule::Planned;
use crate::store::{Delivery, Store, record_delivery};

/// Sends a stored batch to the analyzer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverBatch {
    pub target: TargetName,
    pub window_start: Timestamp,
}

impl DeliverBatch {
    /// By the policy's schedule, then on and on with its last delay: a batch is never lost.
    #[must_use]
    pub fn message(&self, retry: &[Duration], now: Timestamp) -> NewMessage {
        let key = format!("batch/{}/{}", self.target, self.window_start.as_millis());
        let subject = format!("{}/{}", self.target, self.window_start.basic_format());
        let retry = RetrySchedule::then_repeat(retry.iter().copied());
        NewMessage { retry, ..NewMessage::of(self, key, subject, now) }
    }
}

impl Document for DeliverBatch {
    const KIND: &'static str = "deliver_batch";
}

impl Effect for DeliverBatch {
    fn lane(&self) -> String {
        format!("analyzer/{}", self.target)
    }

    /// The policy's takes its place ([`DeliverBatch::message`]).
    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for DeliverBatch {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        match effects.batch(&self.target, self.window_start).await {
            Ok(batch) => effects.analyzer.deliver_together("/v1/batches", &batch).await,
            Err(outcome) => outcome,
        }
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let Attempt { db, claim, outcome, ended_at: now } = attempt;
        let told = match claim.exhausts_retries(outcome) {
            true => exhausted(&effects.store, self, &attempt).await?,
            false => None,
        };
        let result = match outcome.reason() {
            None => Delivery::Delivered,
            Some(reason) => Delivery::Failed(reason.to_owned()),
        };
        let (result, told) = (&result, &told);
        let recorded = db.together(&claim.id, |mut tx, company| async move {
            let recorded = outbox::record(&mut tx, claim, outcome, now, company).await?;
            if recorded == Recorded::Fenced {
                return Ok((tx, Done::Nothing(recorded)));
            }
            record_delivery(&mut tx, &self.target, self.window_start, result, now);
            for message in told.iter().flatten() {
                outbox::enqueue(&mut tx, message, now)?;
            }
            Ok((tx, Done::Written(recorded)))
        });
        recorded.await?.ok_or(DbError::Busy)
    }
}

/// The last listed retry has failed: what to say about it (CO-5).
async fn exhausted(
    store: &Store,
    delivery: &DeliverBatch,
    attempt: &Attempt<'_>,
) -> Result<Option<[NewMessage; 2]>, DbError> {
    let &Attempt { claim, outcome, ended_at: now, .. } = attempt;
    let Some(row) = store.batch(&delivery.target, delivery.window_start).await? else {
        return Ok(None);
    };
    let planned = Planned { window: row.batch.window, phase: row.batch.phase, epoch: row.batch.epoch };
    let cause = outcome.reason().unwrap_or("no answer");
    let attempts = claim.step.saturating_add(1);
    let started = claim.enqueued_at;
    Ok(Some(messages::exhausted(&delivery.target, &planned, "analyzer", started, attempts, cause, now)))
}
