//! The runbook log as a place for messages: one line each, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::effects::PostMessage;
use domain::notifiers::RUNBOOK;
use serde_json::json;
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;

use super::Notifier;
use crate::files;
use crate::kind::Kind;

/// The kind.
pub(super) const KIND: Kind<dyn Notifier> = Kind::plain(RUNBOOK.name, |_, with| {
    Ok(Arc::new(RunbookNotifier::new(&with.data_dir, Arc::clone(&with.clock))))
});

/// Appends to the runbook log.
pub struct RunbookNotifier {
    file: PathBuf,
    clock: Arc<dyn Clock>,
}

impl RunbookNotifier {
    /// The log of that data directory.
    #[must_use]
    pub fn new(data_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { file: files::runbook(data_dir), clock }
    }
}

#[async_trait]
impl Notifier for RunbookNotifier {
    fn name(&self) -> &'static str {
        RUNBOOK.name
    }

    async fn post(&self, message: &PostMessage, _thread: Option<&str>, _resend: bool) -> Outcome {
        let id = message.notification.to_string();
        let line = json!({
            "id": id,
            "at": self.clock.now(),
            "target": message.target,
            "incident": message.incident,
            "text": message.text,
        });
        let (file, shown) = (self.file.clone(), self.file.display().to_string());
        let work = move || files::append_once(&file, &line.to_string(), Some(&id));
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(_)) => Outcome::Done(json!({ "file": shown })),
            Ok(Err(error)) => Outcome::Failed { reason: format!("{shown}: {error}") },
            Err(error) => Outcome::Unknown { reason: error.to_string() },
        }
    }
}
