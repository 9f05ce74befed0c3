//! The service's own log: as an address of its own, and in the place of whoever is not configured (NO-6).

use std::sync::Arc;

use async_trait::async_trait;
use domain::effects::PostMessage;
use domain::notifiers::LOG;
use serde_json::json;
use service_kit::outbox::Outcome;

use super::Notifier;
use crate::kind::Kind;

/// The kind.
pub(super) const KIND: Kind<dyn Notifier> =
    Kind::plain(LOG.name, |_, _| Ok(Arc::new(LogNotifier { stands_for: LOG.name })));

/// Writes messages to the log.
#[derive(Debug, Clone, Copy)]
pub struct LogNotifier {
    /// Its name: that of the log, or of the notifier that is not configured.
    pub stands_for: &'static str,
}

#[async_trait]
impl Notifier for LogNotifier {
    fn name(&self) -> &'static str {
        self.stands_for
    }

    async fn post(&self, message: &PostMessage, _thread: Option<&str>, _resend: bool) -> Outcome {
        let PostMessage { channel, text, .. } = message;
        if self.stands_for == LOG.name {
            tracing::info!(text, "message");
        } else {
            tracing::info!(channel, text, "{} is not configured: message", self.stands_for);
        }
        Outcome::Done(json!({ "logged": true }))
    }
}
