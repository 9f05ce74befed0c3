//! Reads what the evidence document of an incident is made of (EV-3).

use domain::rollout::Incident;
use domain::story::document::{Bundle, render};
use domain::story::views;
use service_kit::db::DbError;

use crate::reporter::Reporter;
use crate::store::NotificationFilter;

/// How much of each is asked of the store.
const DECISIONS: usize = 20;
const ROWS: u32 = 200;

/// Reads everything and writes the document.
///
/// # Errors
/// The database's.
pub async fn written(reporter: &Reporter, incident: &Incident) -> Result<String, DbError> {
    let store = &reporter.store;
    let ids = store.decisions_of(&incident.id).await?;
    let mut decisions = Vec::new();
    for id in ids.iter().take(DECISIONS) {
        decisions.extend(store.decision(*id).await?.map(|it| it.decision));
    }
    let told = NotificationFilter { incident: Some(incident.id.clone()), ..NotificationFilter::default() };
    let mut notifications = store.notifications(&told, None, ROWS).await?;
    notifications.reverse();
    let audit = store.audit_of(&incident.target, &incident.id, incident.opened_at, ROWS).await?;
    let rules = reporter.rules();
    let policy = rules.policy.targets.get(&incident.target);
    let view = views::incident(incident, policy, ids, &store.timeline(&incident.id).await?);
    let bundle =
        Bundle { incident, view: &view, decisions: &decisions, notifications: &notifications, audit: &audit };
    Ok(render(&bundle))
}
