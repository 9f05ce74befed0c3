//! The reporter's HTTP side: extract, call, map. No SQL, no decisions.
#![allow(unused_qualifications, reason = "what utoipa makes of `Query<…>` names it in full")]

mod abort;
mod acts;
mod app;
pub(crate) mod approvals;
mod audit;
mod changed;
mod channels;
mod daily;
mod dashboard;
mod days;
mod decisions;
mod effects;
mod evidence;
mod flagger;
mod freeze;
mod gateway;
mod incidents;
mod limits;
mod notifications;
mod policies;
mod rca;
mod review;
mod rollouts;
mod served;
mod session;
mod verdict;
mod windows;

use std::sync::Arc;

use axum::Router;
use service_kit::ServiceName;
use service_kit::auth::Access;
use service_kit::client::Neighbour;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::Keeper;
use crate::composition::Composition;
use crate::dashboard::Publisher;
use crate::executors::Executors;
use crate::reporter::Reporter;
use crate::ways::Ways;

pub use abort::Abort;
pub use acts::{Acknowledgement, Promotion, Rollback, Start};
pub use app::App;
pub use approvals::ApprovalGiven;
pub use channels::ChannelTest;
pub use decisions::{DecisionReceipt, DecisionRecord};
pub use evidence::EvidenceSigning;
pub use flagger::CanaryCall;
pub use freeze::{FreezeRequest, UnfreezeRequest};
pub use incidents::IncidentDetail;
pub use rca::{RcaConfirmation, RcaDocument, RcaSubmission};
pub use review::ReviewDecision;
pub use served::{Served, ServedState};
pub use session::Session;

/// The paths whose answers do not end.
pub const STREAMS: &[&str] = &["/v1/stream"];

impl App {
    /// With the calls as they are documented.
    #[must_use]
    pub fn new(
        reporter: Arc<Reporter>,
        publisher: Arc<Publisher>,
        analyzer: Neighbour,
        keeper: Arc<Keeper>,
        executors: Executors,
        ways: Arc<dyn Ways>,
    ) -> Self {
        let access = Arc::new(Access::of(&openapi()));
        Self { reporter, publisher, analyzer, keeper, executors, ways, access }
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(decisions::receive))
        .routes(routes!(decisions::receive_all))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::get))
        .routes(routes!(gateway::explain))
        .routes(routes!(gateway::backtest))
        .routes(routes!(limits::get))
        .routes(routes!(limits::draft))
        .routes(routes!(rollouts::list))
        .routes(routes!(rollouts::directives))
        .routes(routes!(rollouts::get))
        .routes(routes!(served::get))
        .routes(routes!(acts::start))
        .routes(routes!(acts::promote))
        .routes(routes!(acts::roll_back))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::withdraw))
        .routes(routes!(abort::abort))
        .routes(routes!(freeze::freeze))
        .routes(routes!(freeze::unfreeze))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::get))
        .routes(routes!(acts::acknowledge))
        .routes(routes!(rca::show, rca::submit))
        .routes(routes!(rca::confirm))
        .routes(routes!(review::decide))
        .routes(routes!(evidence::show))
        .routes(routes!(evidence::sign))
        .routes(routes!(notifications::list))
        .routes(routes!(effects::list))
        .routes(routes!(effects::retry))
        .routes(routes!(channels::list))
        .routes(routes!(channels::test))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::seal))
        .routes(routes!(audit::tell))
        .routes(routes!(daily::get))
        .routes(routes!(days::list))
        .routes(routes!(windows::list))
        .routes(routes!(verdict::get))
        .routes(routes!(flagger::confirm))
        .routes(routes!(flagger::roll_back))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get))
        .routes(routes!(dashboard::get))
        .routes(routes!(dashboard::stream))
        .routes(routes!(session::open, session::show, session::end))
}

/// The service's own routes, with those of its kinds, and the document that describes them.
pub fn router(app: App, inbound: OpenApiRouter<App>) -> (Router, OpenApi) {
    let (router, document) = routes().merge(inbound).split_for_parts();
    let router = router.with_state(app).merge(crate::page::routes());
    (router, service_kit::http::openapi::finish(document, ServiceName::Reporter))
}

/// The OpenAPI document as it is checked in.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, document) = routes().merge(Composition::shipped().routes()).split_for_parts();
    service_kit::http::openapi::finish(document, ServiceName::Reporter)
}
