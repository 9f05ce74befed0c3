//! What people did at PagerDuty, applied to the incident in the transaction that records it (ES-3).

use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Claim, Outcome, Recorded};
use shared_types::{Actor, IncidentId, TargetName, Timestamp, Via};

use super::{Effects, plain};
use crate::reporter::Cause;
use crate::vendors::pagerduty::webhook;
use domain::effects::{ApplyPageEvent, PageAct};
use domain::rollout::Event;

/// Nothing is asked of the outside; all happens when it is settled.
pub(super) fn handle(it: &ApplyPageEvent) -> Outcome {
    Outcome::Done(json!({ "page": it.page }))
}

pub(super) async fn settle(
    effects: &Effects,
    claim: &Claim,
    it: &ApplyPageEvent,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, DbError> {
    let Some((target, incident)) = incident_of(effects, it).await? else {
        tracing::info!(page = it.page, "PagerDuty told of an incident that is none of ours");
        return effects.reporter.store.settle(claim, outcome, plain(), now).await;
    };
    let (by, at) = (it.by.clone(), it.at);
    let event = match it.act {
        PageAct::Acknowledged => Event::Acknowledged { by, at },
        PageAct::Resolved => Event::PageResolved { by, at },
    };
    let cause = Cause {
        actor: Actor::service(&it.by, Via::Pagerduty),
        incident: Some(&incident),
        settle: Some((claim, outcome)),
        at: Some(now),
        ..Cause::default()
    };
    let changed = effects.reporter.apply(&target, cause, &|_| event.clone()).await?;
    effects.recorded(claim, outcome, now, changed).await
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
    Ok(key.as_deref().and_then(webhook::incident_of))
}
