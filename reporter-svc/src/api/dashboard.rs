//! The dashboard document and its stream of revisions.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, StreamExt as _};
use serde_json::json;
use service_kit::http::{ApiError, Json};
use shared_types::dashboard::Dashboard;
use tokio_stream::wrappers::WatchStream;

use super::App;
use crate::dashboard;

/// All targets at a glance (DA-1).
#[utoipa::path(
    get, path = "/v1/dashboard", tag = "dashboard", operation_id = "get_dashboard",
    responses((status = 200, description = "The document", body = Dashboard))
)]
pub(super) async fn get(State(app): State<App>) -> Result<Json<Dashboard>, ApiError> {
    Ok(Json(dashboard::document(&app.reporter).await?))
}

/// Server-sent events: `dashboard` with `{"revision": n}` whenever the document has changed.
#[utoipa::path(
    get, path = "/v1/stream", tag = "dashboard", operation_id = "stream_dashboard",
    responses((status = 200, description = "A stream that does not end", content_type = "text/event-stream",
               body = String))
)]
pub(super) async fn stream(
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + Send> {
    let revisions = WatchStream::new(app.publisher.revision());
    let events = revisions.map(|revision| {
        let data = json!({ "revision": revision }).to_string();
        Ok(Event::default().event("dashboard").id(revision.to_string()).data(data))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
