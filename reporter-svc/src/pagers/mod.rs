//! Who pages people. One at a time: a page has a life (raised, its priority, acknowledged, resolved), which a message has not.
//! Each call makes one attempt and says what came of it; retrying is the outbox's business.

mod log;
pub mod pagerduty;

use async_trait::async_trait;
use domain::effects::{CheckPageAcknowledged, ResolvePage, SetPagePriority, TriggerPage};
use service_kit::outbox::Outcome;
use shared_types::{IncidentId, TargetName, Via};
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::composition::Kind;

pub use log::LogPager;

/// That of the product.
pub const SHIPPED: Kind<dyn Pager> = pagerduty::KIND;

/// What pages. Not configured: `Done` with `{"logged": true}` (NO-6).
#[async_trait]
pub trait Pager: Send + Sync {
    async fn trigger(&self, page: &TriggerPage) -> Outcome;

    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome;

    async fn resolve(&self, page: &ResolvePage) -> Outcome;

    /// `Done` carries a [`domain::effects::PageAcknowledgement`] as JSON, or null when there is none or it cannot be asked.
    async fn acknowledged(&self, page: &CheckPageAcknowledged) -> Outcome;

    /// By which way an act came in that was done there.
    fn via(&self) -> Via;

    /// What goes to the log only, as nothing else is configured.
    fn log_only(&self) -> Option<&'static str> {
        None
    }

    /// Tells its routes whom to believe.
    fn admit(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        routes
    }
}

/// The incident that a dedup key of ours names; none: somebody else's.
#[must_use]
pub fn incident_of(dedup_key: &str) -> Option<(TargetName, IncidentId)> {
    let (target, incident) = dedup_key.strip_prefix("phasegate/")?.split_once('/')?;
    Some((TargetName::parse(target).ok()?, IncidentId::parse(incident).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_somebody_else_names_no_incident() {
        for key in
            ["", "phasegate/", "phasegate/autosave", "other/autosave/INC-20261122-001", "phasegate/a b/INC-1"]
        {
            assert_eq!(incident_of(key), None, "{key}");
        }
    }
}
