//! The checklist of an incident: shown, signed (EV-1 to EV-3).

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_ANSWER;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, Json, Path, Query};
use shared_types::IncidentId;
use shared_types::incident::{EvidenceBundle, Incident};
use shared_types::problem::ProblemCode;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::acts::{actor, on_incident};
use crate::evidence::{self, document};
use domain::rollout;
use domain::rollout::Event;
use domain::rollout::evidence::Signing;

const MARKDOWN: &str = "text/markdown";

/// In which form.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Form {
    /// `json` or `markdown`; by default what `Accept` asks for, or else JSON.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    Json,
    Markdown,
}

/// Signs an item of the checklist, or says that its follow-up task is done.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSigning {
    /// What was seen; needed where the system's check does not find what it looks for.
    #[serde(default)]
    pub comment: Option<String>,
    /// Where the evidence is.
    #[serde(default)]
    pub link: Option<String>,
    /// A follow-up; it stands in the reporter's `reports/checklist.md` until it is done.
    #[serde(default)]
    pub task: Option<String>,
    /// True: the follow-up task of the signed item is done. Nothing else is signed then.
    #[serde(default)]
    pub task_done: bool,
    /// Who, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// The checklist of an incident with what the system's checks find now; as Markdown the whole bundle in one document
/// that is fit for a pull request comment.
#[utoipa::path(
    get, path = "/v1/incidents/{id}/evidence", tag = "incidents", operation_id = "get_evidence",
    params(("id" = String, Path), Form),
    responses((status = 200, description = "As it stands now", content(
        (EvidenceBundle = "application/json"), (String = "text/markdown"),
    )))
)]
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<IncidentId>,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let incident = evidence::fresh(&app.reporter, stored(&app, &id).await?).await?;
    let accepts = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let markdown = form.format.map_or_else(|| accepts.contains(MARKDOWN), |it| it == Format::Markdown);
    if markdown {
        let text = document::written(&app.reporter, app.publisher.data_dir(), &incident).await?;
        return Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response());
    }
    let rules = app.reporter.rules();
    let policy = rules.policy.targets.get(&incident.target);
    Ok(Json(evidence::bundle(&incident, policy)).into_response())
}

/// Sign an item of the checklist. Of the roles listed, the one that the policy names as the item's owner. The first
/// signature counts; the same again changes nothing.
#[utoipa::path(
    put, path = "/v1/incidents/{id}/evidence/{item}", tag = "incidents", operation_id = "sign_evidence",
    security(("bearer" = [MAY_ANSWER])),
    params(("id" = String, Path), ("item" = String, Path)),
    request_body = EvidenceSigning,
    responses(
        (status = 200, description = "The incident as it stands now", body = Incident),
        (status = 403, description = "Not the role that owns the item", body = shared_types::Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Everything that is missing, by name", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign(
    State(app): State<App>,
    identity: Identity,
    Path((id, item)): Path<(IncidentId, String)>,
    Json(body): Json<EvidenceSigning>,
) -> Result<Json<Incident>, ApiError> {
    let given = |field: &'static str, value: Option<String>| value.map(|it| text(field, &it)).transpose();
    let actor = actor(&identity, body.by)?;
    let (comment, link, task) =
        (given("comment", body.comment)?, given("link", body.link)?, given("task", body.task)?);
    let incident = stored(&app, &id).await?;
    may_sign(&app, &identity, &incident, &item)?;
    let by = actor.name.clone();
    let event = if body.task_done {
        if comment.is_some() || link.is_some() || task.is_some() {
            let detail = "with `task_done` neither `comment` nor `link` nor `task` can be given";
            return Err(ApiError::unprocessable(ProblemCode::InvalidBody, detail));
        }
        Event::EvidenceTaskDone { by, item }
    } else {
        Event::EvidenceSigned(Signing { item, by, comment, link, task })
    };
    evidence::refresh(&app.reporter, &id).await?;
    on_incident(&app, &id, actor, event).await
}

/// An item has one owner; without tokens everybody on the machine may sign.
fn may_sign(
    app: &App,
    identity: &Identity,
    incident: &rollout::Incident,
    item: &str,
) -> Result<(), ApiError> {
    let rules = app.reporter.rules();
    let policy = rules.policy.targets.get(&incident.target);
    let found = policy.and_then(|it| it.evidence.iter().find(|it| it.item == item));
    let Some(found) = found else {
        let items: Vec<&str> = policy.iter().flat_map(|it| &it.evidence).map(|it| it.item.as_str()).collect();
        let known = if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        return Err(ApiError::not_found(format!("the policy has no such evidence item; it has: {known}")));
    };
    if identity.holds(&found.owner) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "`{item}` is signed by the role `{}`, which {} does not have",
        found.owner, identity.name
    )))
}

async fn stored(app: &App, id: &IncidentId) -> Result<rollout::Incident, ApiError> {
    let found = app.reporter.store.incident(id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("no incident {id}")))
}
