//! Who tells people: the half of a notifier that sends. What its addresses are, and how a message reads there, was decided
//! before (`domain::notifiers`); here a text that is ready is sent, in one attempt.

mod log;
mod notifier;
mod runbook;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use domain::effects::PostMessage;
use domain::notifiers::{Log, slack};
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;

pub use log::LogNotifier;
pub use notifier::Notifier;
pub use runbook::RunbookNotifier;

/// All kinds, by name.
#[derive(Clone, Default)]
pub struct Notifiers(BTreeMap<&'static str, Arc<dyn Notifier>>);

impl Notifiers {
    /// Those of the product, one line each. A vendor that is not configured goes to the log (NO-6).
    #[must_use]
    pub fn shipped(data_dir: &Path, clock: &Arc<dyn Clock>, slack: Option<Arc<dyn Notifier>>) -> Self {
        Self::default()
            .with(slack.unwrap_or_else(|| Arc::new(LogNotifier { stands_for: slack::Slack::NAME })))
            .with(Arc::new(RunbookNotifier::new(data_dir, Arc::clone(clock))))
            .with(Arc::new(LogNotifier { stands_for: Log::NAME }))
    }

    /// One more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.0.insert(notifier.name(), notifier);
        self
    }

    /// As [`Notifier::post`], by the one that the message names.
    pub async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome {
        match self.0.get(message.notifier.as_str()) {
            Some(notifier) => notifier.post(message, thread, resend).await,
            None => Outcome::Never {
                reason: format!("this reporter has no notifier called {}", message.notifier),
            },
        }
    }
}
