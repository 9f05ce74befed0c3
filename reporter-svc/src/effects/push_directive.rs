//! Gives the collector a directive, if it is the newest (CO-6).

use std::time::Duration;

use async_trait::async_trait;
use domain::effects::PushDirective;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::Directive;
use shared_types::story::hop::Directed;
use shared_types::story::{Hop, LoggedHop};

use super::context::Effects;
use crate::store::Settled;

/// Says in an outcome that a newer directive made this one needless.
const SUPERSEDED: &str = "superseded";

/// What a person has to decide on is tried again after so long.
pub(super) const BEHIND_AGAIN: Duration = Duration::from_secs(10);

#[async_trait]
impl Perform<Effects> for PushDirective {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        let target = &self.directive.target;
        let stored = effects.reporter.store.target(target).await;
        let newest = match &stored {
            Ok(stored) => stored.as_ref().and_then(|it| it.state.directive.as_ref()),
            Err(error) => {
                return Outcome::Postponed { after: Duration::from_secs(1), reason: error.to_string() };
            }
        };
        if newest.is_some_and(|newest| newest.sequence > self.directive.sequence) {
            return Outcome::Done(json!({ SUPERSEDED: true }));
        }
        let path = format!("/v1/targets/{target}/directive");
        let outcome = effects.collector.deliver_put(&path, &self.directive).await;
        let Outcome::Done(answer) = &outcome else { return outcome };
        // It answers what is in force there.
        let Ok(told) = serde_json::from_value::<Directive>(answer.clone()) else { return outcome };
        match effects.collector_knows_more(target, Some(&told), self.directive.sequence).await {
            Ok(false) => outcome,
            Ok(true) => {
                let reason =
                    format!("sequence {} is in force there, and was never told from here", told.sequence);
                Outcome::Postponed { after: BEHIND_AGAIN, reason }
            }
            Err(error) => Outcome::Postponed { after: Duration::from_secs(1), reason: error.to_string() },
        }
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let directive = &self.directive;
        let directed = Directed {
            phase: directive.phase.clone(),
            collect: directive.collect,
            sequence: directive.sequence,
        };
        let hop = match attempt.outcome {
            Outcome::Done(answer) if answer.get(SUPERSEDED).is_some() => Hop::DirectiveSuperseded(directed),
            _ => Hop::DirectiveDelivered(directed),
        };
        let hop = Some(LoggedHop { at: attempt.ended_at, hop });
        let settled = Settled { notification: None, incident: self.incident.as_ref(), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
