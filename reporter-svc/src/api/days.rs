//! A target's days: what a chart of a year shows.

use axum::extract::State;
use domain::story::days::DAY;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use service_kit::http::{ApiError, Json, Path, Query};
use shared_types::days::Days;
use shared_types::problem::ProblemCode;
use shared_types::{TargetName, Timestamp, Window};
use utoipa::IntoParams;

use super::App;

/// Days of one answer.
const MOST: u32 = 400;
const USUAL: u32 = 365;

/// Which days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// `YYYY-MM-DD`, in UTC; 364 days before `to` if it is not given.
    from: Option<String>,
    /// `YYYY-MM-DD`, the last day; today if it is not given.
    to: Option<String>,
}

/// What a target's windows came to, by the day; 400 days at most.
///
/// A day without windows and incidents is left out.
#[utoipa::path(
    get, path = "/v1/targets/{target}/days", tag = "decisions", operation_id = "list_days",
    params(("target" = String, Path, description = "The target's name"), Span),
    responses(
        (status = 200, description = "The days, the oldest first", body = Days),
        (status = 400, description = "No day, or more than 400 days", body = shared_types::Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    Path(target): Path<TargetName>,
    Query(span): Query<Span>,
) -> Result<Json<Days>, ApiError> {
    let time = time(&span, app.reporter.clock.now())?;
    if app.reporter.store.target(&target).await?.is_none() {
        return Err(ApiError::not_found(format!("no target {target}")));
    }
    let days = app.reporter.store.days(&target, time).await?;
    Ok(Json(Days { target, days }))
}

fn time(span: &Span, now: Timestamp) -> Result<Window, ApiError> {
    let refused =
        |detail: String| ApiError::bad_request(ProblemCode::InvalidQuery, format!("query: {detail}"));
    let day = |name: &str, text: &str| -> Result<Timestamp, ApiError> {
        let date: Result<Date, _> = text.parse();
        let midnight = date.and_then(|it| it.to_zoned_datetime(TimeZone::UTC));
        let midnight = midnight.map_err(|error| refused(format!("{name}: {error}")))?;
        Ok(Timestamp::from_millis(midnight.timestamp().as_millisecond()))
    };
    let last = span.to.as_deref().map_or_else(|| Ok(now.align_down(DAY)), |it| day("to", it))?;
    let start =
        span.from.as_deref().map_or_else(|| Ok(last.minus(DAY * (USUAL - 1))), |it| day("from", it))?;
    let end = last.plus(DAY);
    if end.since(start) > DAY * MOST {
        return Err(refused(format!("{MOST} days at most")));
    }
    Ok(Window { start, end })
}
