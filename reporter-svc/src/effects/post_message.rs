//! Posts a message in its incident's thread.

use async_trait::async_trait;
use domain::effects::PostMessage;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::hop::Sent;

use super::context::{Effects, hop_of};
use crate::store::Settled;

#[async_trait]
impl Perform<Effects> for PostMessage {
    async fn run(&self, effects: &Effects, claim: &Claim) -> Outcome {
        if let Some(version) = self.after_dashboard
            && let Err(error) = effects.publisher.ensure(&self.target, version).await
        {
            return Outcome::Failed { reason: format!("the dashboard is not up to date: {error}") };
        }
        let thread = match &self.incident {
            Some(incident) => effects.reporter.store.thread(incident, &self.channel).await.ok().flatten(),
            None => None,
        };
        let thread = thread.as_ref().and_then(|answer| answer.get("ts")).and_then(|ts| ts.as_str());
        effects.notifiers.post(self, thread, claim.unknowns > 0).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let sent = Sent { notification: self.notification, channel: self.channel.clone(), priority: None };
        let hop = hop_of(sent, &attempt);
        let settled =
            Settled { notification: Some(self.notification), incident: self.incident.as_ref(), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
