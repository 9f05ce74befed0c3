//! A pager: raises pages, and hears what became of them.

use async_trait::async_trait;
use domain::effects::{CheckPageAcknowledged, PageNotice, ResolvePage, SetPagePriority, TriggerPage};
use service_kit::outbox::Outcome;
use shared_types::Via;
use utoipa_axum::router::OpenApiRouter;

use crate::api::App;
use crate::ways::Look;

/// What pages. Not configured: `Done` with `{"logged": true}` (NO-6).
#[async_trait]
pub trait Pager: Send + Sync {
    async fn trigger(&self, page: &TriggerPage) -> Outcome;

    /// Raises a page that belongs to no incident (NO-7).
    async fn notice(&self, notice: &PageNotice) -> Outcome;

    /// Raises a page that is a test, and takes it back.
    async fn try_out(&self, notice: &PageNotice) -> Outcome {
        self.notice(notice).await
    }

    /// How it stands with the pager, asked of it without paging anybody.
    async fn look(&self) -> Look {
        Look::ok("it cannot be asked without paging somebody")
    }

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
