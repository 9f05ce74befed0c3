//! The ports that effects are done through: what a vendor module implements. Each makes one attempt and
//! says what came of it; retrying is the outbox's business.

use async_trait::async_trait;
use domain::effects::{CheckPageAcknowledged, ResolvePage, SetPagePriority, TellSlackUser, TriggerPage};
use service_kit::outbox::Outcome;

/// Answers people in Slack. Not configured: `Done` with `{"logged": true}` (NO-6).
#[async_trait]
pub trait Messenger: Send + Sync {
    /// One attempt to answer somebody where only they see it.
    async fn tell(&self, it: &TellSlackUser) -> Outcome;
}

/// PagerDuty. Not configured: `Done` with `{"logged": true}` (NO-6).
#[async_trait]
pub trait Pager: Send + Sync {
    async fn trigger(&self, page: &TriggerPage) -> Outcome;
    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome;
    async fn resolve(&self, page: &ResolvePage) -> Outcome;
    /// `Done` carries [`PageAcknowledgement`] as JSON, or null when there is none or no token.
    async fn acknowledged(&self, page: &CheckPageAcknowledged) -> Outcome;
}
