//! The daily report on demand (DA-5).

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use service_kit::http::{ApiError, Json, Path, Query};
use shared_types::TargetName;
use shared_types::daily::DailyReport;
use shared_types::problem::ProblemCode;
use utoipa::IntoParams;

use super::App;
use domain::story::daily::markdown;

use crate::daily::ZonedReport;

/// Which day.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DayQuery {
    /// `YYYY-MM-DD`, a day in the policy's time zone; the last whole one if it is not given.
    date: Option<String>,
}

/// A day's report: JSON, or Markdown where `Accept` asks for it.
#[utoipa::path(
    get, path = "/v1/targets/{target}/daily", tag = "dashboard", operation_id = "get_daily_report",
    params(("target" = String, Path, description = "The target's name"), DayQuery),
    security(("bearer" = ["viewer"])),
    responses((status = 200, description = "What was judged on the day",
        content((DailyReport = "application/json"), (String = "text/markdown"))))
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(target): Path<TargetName>,
    Query(query): Query<DayQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let date = query.date.as_deref().map(str::parse).transpose();
    let wrong = |error: jiff::Error| {
        ApiError::bad_request(ProblemCode::InvalidQuery, format!("query: date: {error}"))
    };
    let told = app.reporter.daily(&target, date.map_err(wrong)?).await?;
    let told = told.ok_or_else(|| ApiError::not_found(format!("no target {target} in the policy")))?;
    let ZonedReport { report, zone } = told.map_err(wrong)?;
    let accepted = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/markdown") {
        let text = markdown(&report, &zone);
        return Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response());
    }
    Ok(Json(report).into_response())
}
