//! Resolves a page, with its hop.

use async_trait::async_trait;
use domain::effects::ResolvePage;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::{Hop, LoggedHop};

use super::context::{Effects, is_logged};
use crate::store::Settled;

#[async_trait]
impl Perform<Effects> for ResolvePage {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.pager.resolve(self).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let hop = if is_logged(attempt.outcome) { Hop::PageResolutionLogged } else { Hop::PageResolved };
        let hop = Some(LoggedHop { at: attempt.ended_at, hop });
        let settled = Settled { notification: None, incident: Some(&self.incident), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
