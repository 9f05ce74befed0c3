//! Resolves a page, with its hop.

use async_trait::async_trait;
use domain::effects::ResolvePage;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::{Hop, LoggedHop};

use super::context::{Effects, is_logged};
use crate::store::Settled;

/// In the outcome of one that left the page open.
const SHARED: &str = "shared";

#[async_trait]
impl Perform<Effects> for ResolvePage {
    /// The page of a storm (NO-9) is resolved with the last incident of it.
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        match effects.reporter.store.page_is_shared(&self.incident).await {
            Ok(false) => effects.pager.resolve(self).await,
            Ok(true) => Outcome::Done(json!({ SHARED: true })),
            Err(error) => Outcome::Failed { reason: error.to_string() },
        }
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let shared = matches!(attempt.outcome, Outcome::Done(answer) if answer.get(SHARED).is_some());
        let hop = if is_logged(attempt.outcome) { Hop::PageResolutionLogged } else { Hop::PageResolved };
        let hop = (!shared).then_some(LoggedHop { at: attempt.ended_at, hop });
        let settled = Settled { notification: None, incident: Some(&self.incident), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
