//! A notifier: sends a text that is ready.

use async_trait::async_trait;
use domain::effects::PostMessage;
use service_kit::outbox::Outcome;

/// One kind. It makes one attempt and says what came of it by one table from the answer; retrying is the outbox's business, and no
/// secret is in what it says.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// That of its other half.
    fn name(&self) -> &'static str;

    /// One attempt. `thread` is what the first message of the incident in this channel was answered with as `ts`. `resend` marks
    /// that an earlier attempt's outcome is unknown. `Done` carries what the receiver said; `{"logged": true}` if there is none.
    async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome;
}
