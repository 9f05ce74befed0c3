//! What handlers share.

use std::sync::Arc;

use service_kit::auth::Access;
use service_kit::client::Neighbour;

use super::webhooks::WebhookSecrets;
use crate::audit::Keeper;
use crate::dashboard::Publisher;
use crate::reporter::Reporter;
use crate::vendors::SlackInbound;

/// See the module.
#[derive(Clone)]
pub struct App {
    pub reporter: Arc<Reporter>,
    pub publisher: Arc<Publisher>,
    /// Knows why decisions came out as they did, and what other policies would have decided.
    pub analyzer: Neighbour,
    /// How requests from Slack are taken; none: not at all.
    pub slack: Option<Arc<SlackInbound>>,
    /// What the other vendors sign with.
    pub webhooks: WebhookSecrets,
    /// Who may make which call, for acts that come in by another way.
    pub access: Arc<Access>,
    pub keeper: Arc<Keeper>,
}
