//! Rollouts as they stand.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query};
use service_kit::rules::Rules;
use shared_types::rollout::{GivenUp, Rollout};
use shared_types::{Directive, Epoch, Page, TargetName, Window};
use utoipa::ToSchema;

use super::App;
use crate::store::StoredTarget;
use domain::story::views;

/// All rollouts, in the order of their targets' names.
#[utoipa::path(
    get, path = "/v1/rollouts", tag = "rollouts", operation_id = "list_rollouts", params(PageQuery),
    responses((status = 200, description = "A page of rollouts", body = Page<Rollout>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Rollout>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<String>()?);
    let stored = app.reporter.store.targets(after.as_deref(), limit + 1).await?;
    let page = Cursor::page(stored, limit, |it: &StoredTarget| it.state.target.to_string());
    let rules = app.reporter.rules();
    let mut given_up = app.reporter.store.given_up().await?;
    let items = page.items.iter().filter_map(|it| view(&app, &rules, it, &mut given_up)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// A target that left the policy has a row, but no rollout any more.
fn view(
    app: &App,
    rules: &Rules,
    stored: &StoredTarget,
    given_up: &mut BTreeMap<TargetName, Vec<GivenUp>>,
) -> Option<Rollout> {
    let target = &stored.state.target;
    let terms = app.reporter.terms(rules, target)?;
    let given_up = given_up.remove(target).unwrap_or_default();
    Some(Rollout { given_up, ..views::rollout(&stored.state, &terms) })
}

/// What the analyzer and the collector need to know of a rollout.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DirectiveInForce {
    #[schema(value_type = String)]
    target: TargetName,
    /// What is collected; absent before the first start.
    directive: Option<Directive>,
    /// The newest window that a decision was taken in of.
    gate: Option<ToldOf>,
}

/// How far decisions have told of a rollout.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToldOf {
    epoch: Epoch,
    through: Option<Window>,
}

/// What is to be collected of all rollouts, in the order of their targets' names: one call for whoever would ask about each.
#[utoipa::path(
    get, path = "/v1/directives", tag = "rollouts", operation_id = "list_directives", params(PageQuery),
    responses((status = 200, description = "A page of directives", body = Page<DirectiveInForce>))
)]
pub(super) async fn directives(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<DirectiveInForce>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<String>()?);
    let stored = app.reporter.store.targets(after.as_deref(), limit + 1).await?;
    let page = Cursor::page(stored, limit, |it: &StoredTarget| it.state.target.to_string());
    let rules = app.reporter.rules();
    let known = page.items.into_iter().filter(|it| rules.policy.targets.contains_key(&it.state.target));
    let items = known.map(|StoredTarget { state, .. }| {
        let gate = state.latest.and_then(|it| it.gate);
        let gate = gate.map(|gate| ToldOf { epoch: gate.epoch, through: gate.through });
        DirectiveInForce { target: state.target, directive: state.directive, gate }
    });
    Ok(Json(Page { items: items.collect(), next: page.next }))
}

/// One rollout: phase, epoch, gate, approvals, blockers, directive.
#[utoipa::path(
    get, path = "/v1/rollouts/{target}", tag = "rollouts", operation_id = "get_rollout",
    params(("target" = String, Path, description = "The target's name")),
    responses((status = 200, description = "As it stands now", body = Rollout))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(target): Path<TargetName>,
) -> Result<Json<Rollout>, ApiError> {
    let stored = app.reporter.store.target(&target).await?;
    let mut given_up = app.reporter.store.given_up().await?;
    let found = stored.as_ref().and_then(|it| view(&app, &app.reporter.rules(), it, &mut given_up));
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("no target {target} in the policy")))
}
