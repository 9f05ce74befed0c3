//! What was told to people (NO-5).

use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Query};
use shared_types::{IncidentId, Page, TargetName};
use utoipa::IntoParams;

use super::App;
use crate::store::{After, NotificationFilter};
use domain::effects::notification::{NotificationState, NotificationView};

/// Which notifications.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[param(value_type = Option<String>)]
    target: Option<TargetName>,
    #[param(value_type = Option<String>)]
    incident: Option<IncidentId>,
    /// `ok`, `warn`, `gap`, `hold`, `incident`, `escalation`, `rollback_failed`, `rollback_waiting`, `unproven`, `rollback`, `page`,
    /// `approval_asked`, `frozen`, `unfrozen`, `rca_reminder`, `review_opened`, `review_decided`, `daily`.
    kind: Option<String>,
    state: Option<NotificationState>,
}

/// Notifications with text, channel, attempts and outcome, newest first.
#[utoipa::path(
    get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(Filter, PageQuery),
    responses((status = 200, description = "A page of notifications", body = Page<NotificationView>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<NotificationView>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<After>()?);
    let filter = NotificationFilter {
        target: filter.target,
        incident: filter.incident,
        kind: filter.kind,
        state: filter.state.map(|state| state.as_str().to_owned()),
    };
    let found = app.reporter.store.notifications(&filter, after.as_ref(), limit + 1).await?;
    let key = |it: &NotificationView| (it.created_at.as_millis(), it.id.to_string());
    Ok(Json(Cursor::page(found, limit, key)))
}
