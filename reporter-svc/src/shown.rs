//! Incidents as they are shown: with their log, and their rollback as it stands.

use domain::rollout::{Incident, NewestRollback, Transition};
use domain::story::views;
use service_kit::db::DbError;
use shared_types::incident::Incident as IncidentView;

use crate::reporter::Reporter;

/// The incident's newest rollback; until it has ended its target keeps it.
///
/// # Errors
/// The database's.
pub async fn rollback(reporter: &Reporter, incident: &Incident) -> Result<Option<Transition>, DbError> {
    match &incident.rollback {
        None => Ok(None),
        Some(NewestRollback::Ended(it)) => Ok(Some(it.clone())),
        Some(NewestRollback::WithTarget(_)) => {
            let stored = reporter.store.target(&incident.target).await?;
            Ok(stored.and_then(|it| incident.rollback_of(&it.state).cloned()))
        }
    }
}

/// With timeline, decisions and checklist.
///
/// # Errors
/// The database's.
pub async fn whole(reporter: &Reporter, incident: &Incident) -> Result<IncidentView, DbError> {
    let store = &reporter.store;
    let rollback = rollback(reporter, incident).await?;
    let (ids, timeline) = (store.decisions_of(&incident.id).await?, store.timeline(&incident.id).await?);
    let rules = reporter.rules();
    let policy = rules.policy.targets.get(&incident.target);
    Ok(views::incident(incident, rollback.as_ref(), policy, ids, &timeline))
}

/// As one of a list: without timeline and decisions.
///
/// # Errors
/// The database's.
pub async fn listed(reporter: &Reporter, incident: &Incident) -> Result<IncidentView, DbError> {
    let rollback = rollback(reporter, incident).await?;
    let rules = reporter.rules();
    let policy = rules.policy.targets.get(&incident.target);
    Ok(views::incident(incident, rollback.as_ref(), policy, Vec::new(), &[]))
}
