//! PagerDuty's REST API: which incident our dedup key became, its priority, and who acknowledged it.
//!
//! - <https://developer.pagerduty.com/api-reference/9d0b4b12e36f9-list-incidents>
//! - <https://developer.pagerduty.com/api-reference/0fa9ad52bf2d2-list-priorities>
//! - <https://developer.pagerduty.com/api-reference/8a0e1aa2ec666-update-an-incident>

use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use service_kit::outbox::Outcome;
use service_kit::vendors::http::{Method, RequestBuilder, header};
use shared_types::Timestamp;

use super::PagerDuty;
use domain::effects::PageAcknowledgement;
use service_kit::vendors::answer::Answer;
use service_kit::vendors::{Meaning, Row, Status};

#[derive(Deserialize)]
struct Incidents {
    incidents: Vec<IncidentBody>,
}

#[derive(Deserialize)]
struct IncidentBody {
    id: String,
    #[serde(default)]
    acknowledgements: Vec<Acknowledgement>,
}

#[derive(Deserialize)]
struct Acknowledgement {
    at: Timestamp,
    acknowledger: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Priorities {
    priorities: Vec<Priority>,
}

#[derive(Deserialize)]
struct Priority {
    id: String,
    name: String,
}

impl PagerDuty {
    /// `Done` with the earliest acknowledgement that PagerDuty knows of, or with null. Asking is harmless,
    /// so nothing is ever unknown here.
    pub(super) async fn find_acknowledgement(&self, dedup_key: &str) -> Result<Outcome, Outcome> {
        let found = self.find_incident(dedup_key).await?;
        let first = found
            .and_then(|incident| {
                incident.acknowledgements.into_iter().min_by_key(|acknowledged| acknowledged.at)
            })
            .map(|first| PageAcknowledgement {
                at: first.at,
                by: first.acknowledger.and_then(|by| by.summary).unwrap_or_else(|| "pagerduty".to_owned()),
            });
        Ok(Outcome::Done(json!(first)))
    }

    /// Whether the token may read; `None`: there is none.
    pub(super) async fn ask_rest(&self) -> Option<Result<(), Outcome>> {
        let list = self.rest_request(Method::GET, "priorities")?;
        Some(self.read::<Priorities>(list.query(&[("limit", "1")])).await.map(drop))
    }

    /// Finds the priority by its name and the incident by its key, then sets the one on the other.
    pub(super) async fn put_priority(&self, dedup_key: &str, priority: &str) -> Result<Outcome, Outcome> {
        let Some(list) = self.rest_request(Method::GET, "priorities") else {
            return Ok(Outcome::Done(json!({ "skipped": "no PAGERDUTY_API_TOKEN is set" })));
        };
        let known: Priorities = self.read(list.query(&[("limit", "100")])).await?;
        let Some(wanted) = known.priorities.into_iter().find(|known| known.name == priority) else {
            return Err(Outcome::Never { reason: format!("the account has no priority named {priority}") });
        };
        let Some(found) = self.find_incident(dedup_key).await? else {
            // A 202 is not yet an incident.
            return Err(Outcome::Failed { reason: format!("there is no incident with key {dedup_key} yet") });
        };
        let Some(update) = self.rest_request(Method::PUT, &format!("incidents/{}", found.id)) else {
            return Err(Outcome::Never { reason: format!("PagerDuty named an incident {:?}", found.id) });
        };
        let body = json!({ "incident": {
            "type": "incident_reference",
            "priority": { "id": wanted.id, "type": "priority_reference" },
        }});
        self.ask(update.json(&body), TABLE, |_| None).await?;
        Ok(Outcome::Done(json!({ "incident": found.id, "priority": priority })))
    }

    /// The newest incident with that key; `None` if there is none (yet), or no REST token.
    async fn find_incident(&self, dedup_key: &str) -> Result<Option<IncidentBody>, Outcome> {
        let Some(request) = self.rest_request(Method::GET, "incidents") else { return Ok(None) };
        let query = [("incident_key", dedup_key), ("sort_by", "created_at:desc"), ("limit", "1")];
        let found: Incidents = self.read(request.query(&query)).await?;
        Ok(found.incidents.into_iter().next())
    }

    fn rest_request(&self, method: Method, path: &str) -> Option<RequestBuilder> {
        let rest = self.rest.as_ref()?;
        let url = rest.base.join(path).ok()?;
        let mut authorization =
            header::HeaderValue::try_from(format!("Token token={}", rest.token.expose_secret())).ok()?;
        authorization.set_sensitive(true);
        let request = self
            .client
            .request(method, url)
            .header(header::ACCEPT, "application/vnd.pagerduty+json;version=2")
            .header(header::AUTHORIZATION, authorization);
        Some(match &rest.from {
            Some(from) => request.header(header::FROM, from),
            None => request,
        })
    }

    /// A GET and its JSON.
    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Outcome> {
        let answer: Answer = self.ask(request, TABLE, |_| None).await.map_err(|outcome| match outcome {
            Outcome::Unknown { reason } => Outcome::Failed { reason },
            known => known,
        })?;
        serde_json::from_slice(&answer.body).map_err(|error| Outcome::Failed {
            reason: format!("the answer is not the documented one: {error}"),
        })
    }
}

/// By status; what is asked for is read out of the body by whoever asked.
pub(super) const TABLE: &[Row] = &[
    Row::of_status(Status::Class(2), Meaning::Done),
    Row::of_status(Status::Is(401), Meaning::Refused),
    Row::of_status(Status::Is(403), Meaning::Refused),
    Row::of_status(Status::Is(404), Meaning::Refused),
    Row::of_status(Status::Is(407), Meaning::Refused),
    Row::of_status(Status::Is(429), Meaning::Patience),
    Row::of_status(Status::Is(503), Meaning::Patience),
    Row::of_status(Status::Is(408), Meaning::Failed),
    Row::of_status(Status::Class(3), Meaning::Failed),
    Row::of_status(Status::Class(4), Meaning::Never),
    Row::of_status(Status::Class(5), Meaning::Unknown),
];
