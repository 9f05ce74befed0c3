//! A target's windows in short: what a chart of some days shows.

use axum::extract::State;
use serde::Deserialize;
use service_kit::http::{ApiError, Cursor, Json, PageQuery, Path, Query};
use shared_types::judged::JudgedWindow;
use shared_types::{Page, TargetName, Timestamp};
use utoipa::IntoParams;

use super::App;
use crate::store::{After, DecisionFilter};

/// Which windows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// Only windows that end after this.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Only windows that end at this or before.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

/// A target's windows as they were judged, the newest first, in short.
#[utoipa::path(
    get, path = "/v1/targets/{target}/windows", tag = "decisions", operation_id = "list_windows",
    params(("target" = String, Path, description = "The target's name"), Span, PageQuery),
    responses((status = 200, description = "A page of windows", body = Page<JudgedWindow>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Path(target): Path<TargetName>,
    Query(Span { from, to }): Query<Span>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<JudgedWindow>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after::<After>()?);
    let filter = DecisionFilter { target: Some(target), from, to, verdict: None };
    let found = app.reporter.store.judged_windows(&filter, after.as_ref(), limit + 1).await?;
    let key = |it: &JudgedWindow| (it.window.end.as_millis(), it.decision_id.to_string());
    Ok(Json(Cursor::page(found, limit, key)))
}
