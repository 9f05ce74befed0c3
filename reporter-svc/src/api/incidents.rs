//! Incidents with their log.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query};
use service_kit::outbox::{ListFilter, MessageView};
use shared_types::incident::{Incident as IncidentView, IncidentState};
use shared_types::{IncidentId, Page, TargetName};
use utoipa::{IntoParams, ToSchema};

use super::App;
use crate::evidence;
use crate::rca_file;
use crate::shown;
use crate::store::{After, IncidentFilter, NotificationFilter};
use domain::effects::notification::NotificationView;
use domain::rollout::Incident;

const SHOWN_AT_MOST: u32 = 200;

/// Which incidents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[param(value_type = Option<String>)]
    target: Option<TargetName>,
    state: Option<IncidentState>,
}

/// An incident, its effects and what was told to people.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    #[serde(flatten)]
    pub incident: IncidentView,
    /// Newest first.
    pub effects: Vec<MessageView>,
    /// Newest first.
    pub notifications: Vec<NotificationView>,
}

/// Incidents, newest first, without their logs.
#[utoipa::path(
    get, path = "/v1/incidents", tag = "incidents", operation_id = "list_incidents",
    params(Filter, PageQuery),
    responses((status = 200, description = "A page of incidents", body = Page<IncidentView>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<IncidentView>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<After>()?);
    let filter = IncidentFilter { target: filter.target, state: filter.state };
    let found = app.reporter.store.incidents(&filter, after.as_ref(), limit + 1).await?;
    let page =
        Cursor::page(found, limit, |it: &Incident| (it.opened_at.as_millis(), it.id.as_str().to_owned()));
    let mut items = Vec::new();
    for incident in &page.items {
        items.push(shown::listed(&app.reporter, incident).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// One incident with timeline, effects and notifications.
#[utoipa::path(
    get, path = "/v1/incidents/{id}", tag = "incidents", operation_id = "get_incident",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it stands now", body = IncidentDetail))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<IncidentId>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let incident = view(&app, &id).await?;
    let store = &app.reporter.store;
    let effects = ListFilter { subject: Some(id.to_string()), ..ListFilter::default() };
    let effects = store.effects(&effects, None, SHOWN_AT_MOST).await?.items;
    let told = NotificationFilter { incident: Some(id), ..NotificationFilter::default() };
    let notifications = store.notifications(&told, None, SHOWN_AT_MOST).await?;
    Ok(Json(IncidentDetail { incident, effects, notifications }))
}

pub(super) async fn view(app: &App, id: &IncidentId) -> Result<IncidentView, ApiError> {
    let Some(incident) = app.reporter.store.incident(id).await? else {
        return Err(ApiError::not_found(format!("no incident {id}")));
    };
    let incident = evidence::fresh(&app.reporter, incident).await?;
    let mut view = shown::whole(&app.reporter, &incident).await?;
    view.rca.on_disk = rca_file::state(&app.reporter, app.publisher.data_dir(), &incident).await?;
    Ok(view)
}
