//! Asks the pager whether somebody has acknowledged; what it knows is applied with the outcome (ES-3).

use async_trait::async_trait;
use domain::effects::{CheckPageAcknowledged, PageAcknowledgement};
use domain::rollout::Event;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::Actor;

use super::context::Effects;
use crate::reporter::Cause;

#[async_trait]
impl Perform<Effects> for CheckPageAcknowledged {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.pager.acknowledged(self).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let found = match attempt.outcome {
            Outcome::Done(answer) => serde_json::from_value::<PageAcknowledgement>(answer.clone()).ok(),
            _ => None,
        };
        let Some(found) = found else { return attempt.record().await };
        let actor = Actor::service(&found.by, effects.pager.via());
        let cause = Cause { actor, incident: Some(&self.incident), ..Cause::default() };
        let event = Event::Acknowledged { by: found.by, at: found.at };
        effects.apply(&attempt, &self.target, cause, &|_| event.clone()).await
    }
}
