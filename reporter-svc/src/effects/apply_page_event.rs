//! What people did at the pager, applied to the incident in the transaction that records it (ES-3).

use async_trait::async_trait;
use domain::effects::{ApplyPageEvent, PageAct};
use domain::rollout::Event;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::{Actor, IncidentId, TargetName};

use super::context::Effects;
use crate::pagers;
use crate::reporter::Cause;

#[async_trait]
impl Perform<Effects> for ApplyPageEvent {
    /// Nothing is asked of the outside; all happens when it is settled.
    async fn run(&self, _effects: &Effects, _claim: &Claim) -> Outcome {
        Outcome::Done(json!({ "page": self.page }))
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let Some((target, incident)) = incident_of(effects, self).await? else {
            tracing::info!(page = self.page, "the pager told of an incident that is none of ours");
            let outcome = Outcome::Done(json!({ "page": self.page, "ours": false }));
            return Attempt { outcome: &outcome, ..attempt }.record().await;
        };
        let (by, at) = (self.by.clone(), self.at);
        let event = match self.act {
            PageAct::Acknowledged => Event::Acknowledged { by, at },
            PageAct::Resolved => Event::PageResolved { by, at },
        };
        let actor = || Actor::service(&self.by, effects.pager.via());
        // NO-9: what is done with the page of a storm is done with each incident of it. Should this be cut off, it is done again,
        // and what stands already stays.
        for (target, incident) in effects.reporter.store.storm_of(&incident).await? {
            let cause = Cause { actor: actor(), incident: Some(&incident), ..Cause::default() };
            effects.reporter.apply(&target, cause, &|_| event.clone()).await?;
        }
        let cause = Cause { actor: actor(), incident: Some(&incident), ..Cause::default() };
        effects.apply(&attempt, &target, cause, &|_| event.clone()).await
    }
}

/// By our dedup key, else by the name under which an earlier event made the page known.
async fn incident_of(
    effects: &Effects,
    it: &ApplyPageEvent,
) -> Result<Option<(TargetName, IncidentId)>, DbError> {
    let key = match &it.dedup_key {
        Some(key) => Some(key.clone()),
        None => effects.reporter.store.page_key(&it.page).await?,
    };
    let Some((key, (target, incident))) = key.and_then(|it| pagers::incident_of(&it).map(|of| (it, of)))
    else {
        return Ok(None);
    };
    // OP-3: the page may be of an incident of a past that is lost, whose id was given out again.
    let named = effects.reporter.store.incident(&incident).await?;
    Ok(named.is_none_or(|it| it.dedup_key() == key).then_some((target, incident)))
}
