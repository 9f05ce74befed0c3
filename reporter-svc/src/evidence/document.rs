//! Reads what the evidence document of an incident is made of (EV-3).

use std::path::Path;

use domain::rollout::Incident;
use domain::story::document::{Bundle, render};
use service_kit::db::DbError;

use crate::rca_file;
use crate::reporter::Reporter;
use crate::shown;
use crate::store::NotificationFilter;

/// How much of each is asked of the store.
const DECISIONS: usize = 20;
const ROWS: u32 = 200;

/// Reads everything and writes the document.
///
/// # Errors
/// The database's.
pub async fn written(reporter: &Reporter, data_dir: &Path, incident: &Incident) -> Result<String, DbError> {
    let store = &reporter.store;
    let mut view = shown::whole(reporter, incident).await?;
    view.rca.on_disk = rca_file::state(reporter, data_dir, incident).await?;
    let rollback = shown::rollback(reporter, incident).await?;
    let mut decisions = Vec::new();
    for id in view.decisions.iter().take(DECISIONS) {
        decisions.extend(store.decision(*id).await?.map(|it| it.decision));
    }
    let told = NotificationFilter { incident: Some(incident.id.clone()), ..NotificationFilter::default() };
    let mut notifications = store.notifications(&told, None, ROWS).await?;
    notifications.reverse();
    let audit = store.audit_of(&incident.target, &incident.id, incident.opened_at, ROWS).await?;
    Ok(render(&Bundle {
        view: &view,
        rollback: rollback.as_ref(),
        decisions: &decisions,
        notifications: &notifications,
        audit: &audit,
    }))
}
