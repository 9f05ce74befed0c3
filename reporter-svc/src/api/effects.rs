//! The outbox: what is on its way, what is stuck, and another try by a person.

use axum::extract::State;
use domain::audit::AuditDraft;
use domain::stored::{self, Document as _};
use serde::Deserialize;
use serde_json::json;
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_RETRY;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query};
use service_kit::outbox::{ListFilter, MessageView};
use shared_types::problem::ProblemCode;
use shared_types::story::Deed;
use shared_types::{Page, TargetName};
use utoipa::IntoParams;

use super::App;
use super::acts::actor;
use super::changed;
use crate::reporter::Cause;
use domain::effects::RunTransition;
use domain::rollout::Event;

/// Which effects.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// `ready`, `leased`, `done`, `dead`, `cancelled`
    state: Option<String>,
    lane: Option<String>,
    kind: Option<String>,
    /// Incident, decision or target.
    subject: Option<String>,
}

/// Effects, newest first.
#[utoipa::path(
    get, path = "/v1/effects", tag = "effects", operation_id = "list_effects", params(Filter, PageQuery),
    responses((status = 200, description = "A page of effects", body = Page<MessageView>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<MessageView>>, ApiError> {
    let (limit, before) = (page.limit()?, page.after::<i64>()?);
    let filter =
        ListFilter { state: filter.state, lane: filter.lane, kind: filter.kind, subject: filter.subject };
    let found = app.reporter.store.effects(&filter, before, limit).await?;
    Ok(Json(Page { items: found.items, next: found.next.map(|it| Cursor::encode(&it)) }))
}

/// Try an effect again that was given up. A failed rollback is under way again afterwards.
#[utoipa::path(
    post, path = "/v1/effects/{id}/retry", tag = "effects", operation_id = "retry_effect",
    security(("bearer" = [MAY_RETRY])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The effect as it stands now", body = MessageView),
        (status = 409, description = "It was not given up, or something else has taken its place",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, ApiError> {
    let unknown = || ApiError::not_found(format!("no effect {id}"));
    let effect = app.reporter.store.effect(&id).await?.ok_or_else(unknown)?;
    if effect.kind == RunTransition::KIND {
        retry_transition(&app, &identity, &effect).await?;
    } else if !retry_plain(&app, &identity, &effect).await? {
        let detail = format!("effect {id} is {}; only `dead` ones can be retried", effect.state);
        return Err(ApiError::conflict(ProblemCode::NotDead, detail, Vec::new()));
    }
    app.reporter.store.effect(&id).await?.map(Json).ok_or_else(unknown)
}

/// No machine has a say; the act is written down in the stream of the target it is about.
async fn retry_plain(app: &App, identity: &Identity, effect: &MessageView) -> Result<bool, ApiError> {
    let target = effect.payload.get("target").and_then(|it| it.as_str());
    let target = target.and_then(|it| TargetName::parse(it).ok());
    let act = AuditDraft {
        actor: actor(identity, None)?,
        action: Deed::EffectRetried,
        subject: Some(effect.id.clone()),
        detail: json!({ "kind": effect.kind, "lane": effect.lane, "about": effect.subject }),
    };
    let (store, now) = (&app.reporter.store, app.reporter.clock.now());
    Ok(store.retry_effect(&effect.id, target.as_ref(), act, now).await?)
}

/// The machine has a say: only the rollback that stands as failed may be tried again.
async fn retry_transition(app: &App, identity: &Identity, effect: &MessageView) -> Result<(), ApiError> {
    let verb: RunTransition = stored::read_value(effect.payload.clone()).map_err(ApiError::internal)?;
    let event = Event::TransitionRetried { transition: verb.transition, by: identity.name.clone() };
    let cause = Cause { actor: actor(identity, None)?, retry: Some(&effect.id), ..Cause::default() };
    let changed = app.reporter.apply(&verb.target, cause, &|_| event.clone()).await?;
    changed::accepted(&verb.target, changed).map(drop)
}
