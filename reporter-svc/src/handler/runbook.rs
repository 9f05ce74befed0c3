//! Appends to the runbook log, once a notification (RB-5).

use serde_json::json;
use service_kit::outbox::{Claim, Outcome};

use super::Effects;
use crate::files;
use domain::effects::WriteRunbookEntry;

pub(super) async fn write(effects: &Effects, claim: &Claim, it: &WriteRunbookEntry) -> Outcome {
    let path = files::runbook(&effects.data_dir);
    let line = json!({
        "id": it.notification,
        "at": it.at,
        "target": it.target,
        "incident": it.incident,
        "text": it.text,
        "runbook": it.runbook,
    });
    // The file is only searched when an earlier attempt may have written the line.
    let again = (claim.fence > 1).then(|| it.notification.to_string());
    let shown = path.display().to_string();
    let work = move || files::append_once(&path, &line.to_string(), again.as_deref());
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(_)) => Outcome::Done(json!({ "file": shown })),
        Ok(Err(error)) => Outcome::Failed { reason: format!("{shown}: {error}") },
        Err(error) => Outcome::Unknown { reason: error.to_string() },
    }
}
