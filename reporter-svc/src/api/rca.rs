//! The root cause analysis of an incident: shown, submitted, confirmed (GO-1, GO-3).

use axum::extract::State;
use domain::template::sections::Section;
use serde::{Deserialize, Serialize};
use service_kit::auth::Identity;
use service_kit::auth::role::MAY_ANSWER;
use service_kit::http::acts::text;
use service_kit::http::{ApiError, Json, Path};
use shared_types::IncidentId;
use shared_types::incident::{Incident, Rca, RcaFileState};
use shared_types::problem::ProblemCode;
use utoipa::ToSchema;

use super::App;
use super::acts::{actor, on_incident};
use crate::rca_file as file;
use domain::rollout::Finding;
use domain::rollout::{self, Event};
use domain::story::rca::{checked, compose, file_state};

/// Submits the root cause analysis. Each part is taken from its field, else from `document`, else from the file in
/// the reporter's data directory.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RcaSubmission {
    /// What made it happen.
    #[serde(default)]
    pub cause: Option<String>,
    /// What keeps it from happening again.
    #[serde(default)]
    pub prevention: Option<String>,
    /// The file, completed elsewhere.
    #[serde(default)]
    pub document: Option<String>,
    /// Where else the analysis is.
    #[serde(default)]
    pub link: Option<String>,
    /// Who, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// Confirms the root cause analysis.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RcaConfirmation {
    pub comment: String,
    /// `rca.hash` of the analysis that was read, or at least 12 digits of it; anything else was submitted since: 409.
    #[serde(default)]
    pub read: Option<String>,
    /// Who, where no token says it.
    #[serde(default)]
    pub by: Option<String>,
}

/// The analysis and its file.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RcaDocument {
    pub incident: IncidentId,
    pub rca: Rca,
    /// Markdown, as things stand now.
    pub document: String,
}

/// The analysis, and its file as things stand now.
#[utoipa::path(
    get, path = "/v1/incidents/{id}/rca", tag = "incidents", operation_id = "get_rca",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it stands now", body = RcaDocument))
)]
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<IncidentId>,
) -> Result<Json<RcaDocument>, ApiError> {
    let incident = stored(&app, &id).await?;
    let template = file::rendered(&app.reporter, &incident).await.map_err(ApiError::internal)?;
    let there = on_disk(&app, &incident).await?;
    let submission = incident.rca.submission.as_ref();
    let document = compose(&template, there.as_deref(), submission);
    let mut rca = incident.rca.view(&id, incident.opened_at);
    rca.on_disk = submission.map(|submission| match &there {
        Some(there) => file_state(&template, there, submission),
        None => RcaFileState::Absent,
    });
    Ok(Json(RcaDocument { rca, incident: id, document }))
}

/// Submit the root cause analysis: cause and prevention, neither of them empty.
#[utoipa::path(
    put, path = "/v1/incidents/{id}/rca", tag = "incidents", operation_id = "submit_rca",
    security(("bearer" = [MAY_ANSWER])),
    params(("id" = String, Path)),
    request_body = RcaSubmission,
    responses(
        (status = 200, description = "The incident as it stands now", body = Incident),
        (status = 409, description = "It is closed, or its RCA is confirmed", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<IncidentId>,
    Json(body): Json<RcaSubmission>,
) -> Result<Json<Incident>, ApiError> {
    let actor = actor(&identity, body.by.clone())?;
    let by = actor.name.clone();
    let finding = finding(&app, &stored(&app, &id).await?, body).await?;
    on_incident(&app, &id, actor, Event::RcaSubmitted { by, finding }).await
}

/// Confirm the root cause analysis that another person submitted; with the recovery it closes the incident and
/// resolves its page. Of the roles listed, the one that the policy's `rca.approver` names.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/rca/confirmation", tag = "incidents", operation_id = "confirm_rca",
    security(("bearer" = [MAY_ANSWER])),
    params(("id" = String, Path)),
    request_body = RcaConfirmation,
    responses(
        (status = 200, description = "The incident as it stands now", body = Incident),
        (status = 403, description = "Not the role that the policy's `rca.approver` names",
         body = shared_types::Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is none to confirm, it is one's own, it is not the one that was read, its file says \
         something else than what was submitted, or the incident is closed",
         body = shared_types::Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn confirm(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<IncidentId>,
    Json(body): Json<RcaConfirmation>,
) -> Result<Json<Incident>, ApiError> {
    let (actor, comment) = (actor(&identity, body.by)?, text("comment", &body.comment)?);
    let by = actor.name.clone();
    let read = body.read.map(|read| text("read", &read)).transpose()?;
    require_approver(&app, &identity, &id).await?;
    require_same_on_disk(&app, &stored(&app, &id).await?).await?;
    on_incident(&app, &id, actor, Event::RcaConfirmed { by, comment, read }).await
}

/// What the policy's `rca.approver` names may confirm and decide; without tokens everybody on the machine may.
pub(super) async fn require_approver(
    app: &App,
    identity: &Identity,
    id: &IncidentId,
) -> Result<(), ApiError> {
    let incident = stored(app, id).await?;
    let rules = app.reporter.rules();
    let Some(policy) = rules.policy.targets.get(&incident.target) else { return Ok(()) };
    let role = &policy.rca.approver;
    if identity.holds(role) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "this asks for the role `{role}`, which {} does not have",
        identity.name
    )))
}

async fn stored(app: &App, id: &IncidentId) -> Result<rollout::Incident, ApiError> {
    let found = app.reporter.store.incident(id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("no incident {id}")))
}

async fn finding(app: &App, incident: &rollout::Incident, body: RcaSubmission) -> Result<Finding, ApiError> {
    let template = file::rendered(&app.reporter, incident).await.map_err(ApiError::internal)?;
    let link = body.link.map(|link| text("link", &link)).transpose()?;
    let document = match (&body.cause, &body.prevention, body.document) {
        (Some(_), Some(_), _) => None,
        (_, _, Some(document)) => Some(document),
        (_, _, None) => on_disk(app, incident).await?,
    };
    let part = |field: Option<String>, section: Section| match field {
        Some(text) => checked(&text, section, &template),
        None => domain::story::rca::part(document.as_deref().unwrap_or(&template), section, &template),
    };
    let cause = part(body.cause, Section::Cause);
    let prevention = part(body.prevention, Section::Prevention);
    match (cause, prevention) {
        (Ok(cause), Ok(prevention)) => Ok(Finding { cause, prevention, link }),
        (cause, prevention) => {
            let missing = [cause.err(), prevention.err()].into_iter().flatten();
            let missing: Vec<String> = missing.map(|it| it.to_string()).collect();
            Err(ApiError::unprocessable(
                ProblemCode::RcaIncomplete,
                format!("the RCA is not complete: {}", missing.join("; ")),
            ))
        }
    }
}

/// The file as it is; none where this reporter has not written it.
async fn on_disk(app: &App, incident: &rollout::Incident) -> Result<Option<String>, ApiError> {
    file::read(app.publisher.data_dir(), incident).await.map_err(|error| {
        ApiError::unprocessable(ProblemCode::RcaUnreadable, format!("the file cannot be read: {error}"))
    })
}

/// GO-3: while the file says something else than what was submitted nobody can know which of the two is confirmed. What is
/// confirmed already stays so.
async fn require_same_on_disk(app: &App, incident: &rollout::Incident) -> Result<(), ApiError> {
    if incident.rca.confirmation.is_some() {
        return Ok(());
    }
    let what = match file::state(&app.reporter, app.publisher.data_dir(), incident).await? {
        Some(RcaFileState::Differs) => "says something else than what was submitted",
        Some(RcaFileState::Unreadable) => {
            "cannot be read, and may say something else than what was submitted"
        }
        Some(RcaFileState::Absent | RcaFileState::AsSubmitted) | None => return Ok(()),
    };
    let name = rollout::state::rca_file(&incident.id, incident.opened_at);
    let detail = format!("{name} {what}: submit it as it is, or put it right or away, then confirm");
    Err(ApiError::conflict(ProblemCode::Outdated, detail, Vec::new()))
}
