//! Of the REST API: list incidents, list priorities, set an incident's priority.

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Desk;
use super::account::PagerDutyIncident;
use crate::cut::Scissors;
use crate::server::Shared;

pub(super) async fn list_incidents(
    State(shared): State<Shared<Desk>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let reply = shared.lock().treat("GET", "/incidents", &[], |desk| {
        if let Err(refusal) = desk.check_token(&headers) {
            return (*refusal, false);
        }
        let find = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let limit = find("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
        let found = desk.account.lookup(find("incident_key"));
        let statuses: Vec<&str> =
            query.iter().filter(|(key, _)| key == "statuses[]").map(|(_, value)| value.as_str()).collect();
        let asked = |incident: &&PagerDutyIncident| {
            statuses.is_empty() || statuses.contains(&incident.status.as_str())
        };
        let incidents: Vec<Value> = found.into_iter().filter(asked).take(limit).map(as_json).collect();
        (axum::Json(json!({ "incidents": incidents, "limit": limit, "more": false })).into_response(), true)
    });
    reply.give(&scissors).await
}

pub(super) async fn list_priorities(
    State(shared): State<Shared<Desk>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
) -> Response {
    let reply = shared.lock().treat("GET", "/priorities", &[], |desk| {
        if let Err(refusal) = desk.check_token(&headers) {
            return (*refusal, false);
        }
        let names = desk.options.priorities.iter();
        let priorities: Vec<Value> =
            names.map(|name| json!({ "id": priority_id(name), "type": "priority", "name": name })).collect();
        (axum::Json(json!({ "priorities": priorities, "more": false })).into_response(), true)
    });
    reply.give(&scissors).await
}

pub(super) async fn update_incident(
    State(shared): State<Shared<Desk>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("PUT", &format!("/incidents/{id}"), &body, |desk| {
        match desk.update_incident(&id, &headers, &body) {
            Ok(incident) => (axum::Json(json!({ "incident": incident })).into_response(), true),
            Err(refusal) => (*refusal, false),
        }
    });
    shared.announce();
    reply.give(&scissors).await
}

impl Desk {
    fn check_token(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let expected = format!("Token token={}", self.options.api_token);
        match headers.get(header::AUTHORIZATION) {
            Some(given) if given.as_bytes() == expected.as_bytes() => Ok(()),
            _ => Err(refused(StatusCode::UNAUTHORIZED, "Access Denied")),
        }
    }

    fn update_incident(
        &mut self,
        id: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Value, Box<Response>> {
        self.check_token(headers)?;
        if !headers.contains_key(header::FROM) {
            return Err(refused(StatusCode::BAD_REQUEST, "The From header must name a user of the account"));
        }
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))?;
        let asked = &body["incident"];
        if !matches!(asked["type"].as_str(), Some("incident" | "incident_reference")) {
            return Err(refused(StatusCode::BAD_REQUEST, "incident.type is missing or wrong"));
        }
        let wanted = |name: &&String| asked["priority"]["id"] == json!(priority_id(name));
        let Some(priority) = self.options.priorities.iter().find(wanted).cloned() else {
            return Err(refused(
                StatusCode::BAD_REQUEST,
                "incident.priority.id is no priority of the account",
            ));
        };
        let found = self.account.incidents.iter_mut().find(|incident| incident.id == id);
        let Some(incident) = found else { return Err(refused(StatusCode::NOT_FOUND, "Incident Not Found")) };
        incident.priority = Some(priority);
        Ok(as_json(incident))
    }
}

fn as_json(incident: &PagerDutyIncident) -> Value {
    let acknowledgements: Vec<Value> = incident
        .acknowledgements
        .iter()
        .map(|(at, by)| json!({ "at": at, "acknowledger": { "type": "user_reference", "summary": by } }))
        .collect();
    json!({
        "id": incident.id,
        "type": "incident",
        "incident_key": incident.dedup_key,
        "status": incident.status.as_str(),
        "title": incident.summary,
        "created_at": incident.opened_at,
        "priority": incident.priority.as_ref().map(|name| json!({ "id": priority_id(name), "name": name })),
        "acknowledgements": acknowledgements,
    })
}

fn refused(status: StatusCode, message: &str) -> Box<Response> {
    let body = json!({ "error": { "message": message, "code": 2000 } });
    Box::new((status, axum::Json(body)).into_response())
}

fn priority_id(name: &str) -> String {
    format!("PPRIO{name}")
}
