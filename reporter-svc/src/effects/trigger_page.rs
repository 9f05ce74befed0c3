//! Pages somebody; once that is accepted, it is evidence (EV-2).

use async_trait::async_trait;
use domain::effects::TriggerPage;
use domain::pagers::PAGER;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::hop::Sent;

use super::context::{Effects, hop_of};
use crate::evidence;
use crate::store::Settled;

#[async_trait]
impl Perform<Effects> for TriggerPage {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.pager.trigger(self).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let sent = Sent {
            notification: self.notification,
            channel: PAGER.name.to_owned(),
            priority: Some(self.priority.clone()),
        };
        let hop = hop_of(sent, &attempt);
        let settled = Settled { notification: Some(self.notification), incident: Some(&self.incident), hop };
        let recorded = effects.reporter.store.settle(&attempt, settled).await?;
        // Whatever hinders this now is made up for before the next act.
        if recorded == Recorded::Done
            && let Err(error) = evidence::refresh(&effects.reporter, &self.incident).await
        {
            let error = format!("{error:#}");
            tracing::warn!(incident = %self.incident, %error, "the evidence could not be looked at");
        }
        Ok(recorded)
    }
}
