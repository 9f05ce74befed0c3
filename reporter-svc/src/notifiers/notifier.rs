//! A notifier: sends a text that is ready.

use async_trait::async_trait;
use domain::effects::{PostMessage, TellUser};
use serde_json::json;
use service_kit::outbox::Outcome;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::ways::Look;

/// One kind. It makes one attempt and says what came of it by one table from the answer; retrying is the outbox's business, and no
/// secret is in what it says.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// That of its other half.
    fn name(&self) -> &'static str;

    /// One attempt. `thread` is what the first message of the incident in this channel was answered with as `ts`. `resend` marks
    /// that an earlier attempt's outcome is unknown. `Done` carries what the receiver said; `{"logged": true}` if there is none.
    async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome;

    /// One attempt to answer somebody who acted there, where only they see it. Most have no such place.
    async fn tell(&self, _it: &TellUser) -> Outcome {
        Outcome::Done(json!({ "told": false }))
    }

    /// Why nothing that is sent to this channel can arrive, as far as that is known without sending (NO-7).
    fn cannot_reach(&self, _channel: &str) -> Option<String> {
        None
    }

    /// How it stands with this channel, asked of the receiver without sending anything.
    async fn look(&self, channel: &str) -> Look {
        match self.cannot_reach(channel) {
            Some(why) => Look::failing(why),
            None => Look::ok("told on the reporter's own machine"),
        }
    }

    /// What goes to the log only, as nothing else is configured (NO-6).
    fn log_only(&self) -> Option<&'static str> {
        None
    }

    /// Tells its routes whom to believe.
    fn admit(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        routes
    }
}
