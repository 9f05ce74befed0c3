//! What the Events API refuses. Pure.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared_types::Timestamp;

use super::account::PagerDutyEvent;
use crate::mode::now;

const LARGEST_EVENT: usize = 512 * 1024;

/// An event's body. PagerDuty ignores fields it does not know; here they are mistakes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    routing_key: String,
    event_action: String,
    dedup_key: Option<String>,
    payload: Option<Payload>,
    #[serde(rename = "client")]
    _client: Option<String>,
    #[serde(rename = "client_url")]
    _client_url: Option<String>,
    #[serde(rename = "links")]
    _links: Option<Vec<Map<String, Value>>>,
    #[serde(rename = "images")]
    _images: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    timestamp: Option<String>,
    component: Option<String>,
    group: Option<String>,
    class: Option<String>,
    #[serde(default)]
    custom_details: Value,
}

/// The event, or the answer that refuses it.
pub(super) fn event(
    headers: &HeaderMap,
    body: &[u8],
    routing_key: &str,
) -> Result<PagerDutyEvent, Box<Response>> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(invalid("Content-Type must be application/json"));
    }
    if body.len() > LARGEST_EVENT {
        return Err(Box::new(StatusCode::PAYLOAD_TOO_LARGE.into_response()));
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
    if body.routing_key != routing_key {
        return Err(invalid("Invalid routing key"));
    }
    let dedup_key = match (body.event_action.as_str(), body.dedup_key) {
        ("trigger", None) => format!("generated-{}", now().as_millis()),
        ("acknowledge" | "resolve", None) => return Err(invalid("'dedup_key' is missing or blank")),
        ("trigger" | "acknowledge" | "resolve", Some(key)) if (1..=255).contains(&key.chars().count()) => key,
        ("trigger" | "acknowledge" | "resolve", Some(_)) => {
            return Err(invalid("'dedup_key' must be 1 to 255 characters"));
        }
        _ => return Err(invalid("'event_action' must be trigger, acknowledge or resolve")),
    };
    let payload = match (body.event_action.as_str(), &body.payload) {
        ("trigger", None) => return Err(invalid("'payload' is missing or blank")),
        ("trigger", Some(payload)) => {
            payload.check().map_err(invalid)?;
            json!(payload)
        }
        _ => Value::Null,
    };
    Ok(PagerDutyEvent { at: now(), action: body.event_action, dedup_key, payload })
}

impl Payload {
    fn check(&self) -> Result<(), &'static str> {
        if !(1..=1024).contains(&self.summary.chars().count()) {
            return Err("'payload.summary' must be 1 to 1024 characters");
        }
        if self.source.is_empty() {
            return Err("'payload.source' is missing or blank");
        }
        if !matches!(self.severity.as_str(), "critical" | "error" | "warning" | "info") {
            return Err("'payload.severity' is invalid (must be one of: critical, error, warning, info)");
        }
        match &self.timestamp {
            Some(text) if Timestamp::parse(text).is_err() => Err("'payload.timestamp' is not ISO 8601"),
            _ => Ok(()),
        }
    }
}

fn invalid(error: &str) -> Box<Response> {
    let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": [error] });
    Box::new((StatusCode::BAD_REQUEST, axum::Json(body)).into_response())
}
