//! Appends to the runbook log, once a notification (RB-5).

use async_trait::async_trait;
use domain::effects::WriteRunbookEntry;
use domain::notifiers::RUNBOOK;
use serde_json::json;
use service_kit::db::DbError;
use service_kit::outbox::{Attempt, Claim, Outcome, Perform, Recorded};
use shared_types::story::hop::Sent;

use super::context::{Effects, hop_of, in_file};
use crate::files;
use crate::store::Settled;

#[async_trait]
impl Perform<Effects> for WriteRunbookEntry {
    async fn run(&self, effects: &Effects, claim: &Claim) -> Outcome {
        let path = files::runbook(&effects.data_dir);
        let line = json!({
            "id": self.notification,
            "at": self.at,
            "target": self.target,
            "incident": self.incident,
            "text": self.text,
            "runbook": self.runbook,
        });
        // The file is only searched when an earlier attempt may have written the line.
        let again = (claim.fence > 1).then(|| self.notification.to_string());
        let answer = json!({ "file": path.display().to_string() });
        in_file(path, answer, move |path| files::append_once(path, &line.to_string(), again.as_deref())).await
    }

    async fn settle(&self, effects: &Effects, attempt: Attempt<'_>) -> Result<Recorded, DbError> {
        let channel = RUNBOOK.name.to_owned();
        let hop = hop_of(Sent { notification: self.notification, channel, priority: None }, &attempt);
        let settled =
            Settled { notification: Some(self.notification), incident: self.incident.as_ref(), hop };
        effects.reporter.store.settle(&attempt, settled).await
    }
}
