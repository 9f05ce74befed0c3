//! Pages somebody beside the incidents' pages (NO-7).

use async_trait::async_trait;
use domain::effects::PageNotice;
use domain::pagers::PAGER;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::hop::Sent;

use super::context::{Effects, hop_of};
use crate::store::Settled;

#[async_trait]
impl Perform<Effects> for PageNotice {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.pager.notice(self).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let channel = PAGER.name.to_owned();
        let hop = hop_of(Sent { notification: self.notification, channel, priority: None }, &attempt);
        let settled =
            Settled { notification: Some(self.notification), incident: self.incident.as_ref(), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
