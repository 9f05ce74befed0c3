//! The ways to people, looked at and tried.

use axum::extract::State;
use domain::audit::AuditDraft;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_RETRY;
use service_kit::http::{ApiError, Json};
use shared_types::Page;
use shared_types::story::Deed;
use utoipa::ToSchema;

use super::App;
use super::acts::actor;
use crate::ways::{Channel, Test};

/// Tries the ways to people.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ChannelTest {
    /// Who asks, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Every channel of the policy, and the pager: whether it is configured, and what the receiver says of it; nothing is sent.
#[utoipa::path(
    get, path = "/v1/channels", tag = "notifications", operation_id = "list_channels",
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "All of them", body = Page<Channel>))
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Page<Channel>>, ApiError> {
    let rules = app.reporter.rules();
    Ok(Json(Page { items: app.ways.look(&rules.policy).await, next: None }))
}

/// Send a message through every channel that says it is a test, and a page that is taken back at once; one attempt each, and what
/// came of it.
#[utoipa::path(
    post, path = "/v1/channels/test", tag = "notifications", operation_id = "test_channels",
    security(("bearer" = [MAY_RETRY])), request_body = ChannelTest,
    responses((status = 200, description = "What came of it, by channel", body = Page<Channel>))
)]
pub(super) async fn test(
    State(app): State<App>,
    identity: Identity,
    Json(body): Json<ChannelTest>,
) -> Result<Json<Page<Channel>>, ApiError> {
    let (actor, rules, now) = (actor(&identity, body.by)?, app.reporter.rules(), app.reporter.clock.now());
    let by = actor.name.clone();
    // Written down first: what is sent cannot be taken back.
    let act = AuditDraft { actor, action: Deed::ChannelsTested, subject: None, detail: json!({}) };
    app.reporter.store.note(None, act, now).await?;
    let items = app.ways.test(&rules.policy, Test { by: &by, at: now }).await;
    Ok(Json(Page { items, next: None }))
}
