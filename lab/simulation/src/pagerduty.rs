//! What PagerDuty tells the reporter of people's acts: signed events, sent until they are taken and at times once more.
//! And events that somebody else has made up.

use std::time::Duration;

use rand::RngExt as _;
use reqwest::header::HeaderValue;
use reqwest::{Method, Request};
use serde_json::{Value, json};
use service_kit::client::Transport as _;
use shared_types::Timestamp;

use crate::network::Wire;
use crate::outside::{Outside, Told};

/// What PagerDuty and the reporter share.
pub const SECRET: &str = "a secret of two";
/// Who makes events up.
pub const FORGER: &str = "mallory";

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Acknowledged,
    Resolved,
}

/// An event of PagerDuty's webhook.
#[derive(Debug, Clone)]
pub struct PageEvent {
    pub act: Act,
    pub incident: String,
    pub dedup_key: String,
    pub by: &'static str,
    pub at: Timestamp,
}

impl PageEvent {
    fn id(&self) -> String {
        format!("{:?}-{}-{}", self.act, self.incident, self.by)
    }

    fn body(&self) -> String {
        let kind = match self.act {
            Act::Acknowledged => "incident.acknowledged",
            Act::Resolved => "incident.resolved",
        };
        let page = json!({ "id": format!("P-{}", self.incident), "type": "incident", "incident_key": self.dedup_key });
        let event = json!({
            "id": self.id(),
            "event_type": kind,
            "occurred_at": self.at,
            "agent": { "summary": self.by, "type": "user_reference" },
            "data": page,
        });
        json!({ "event": event }).to_string()
    }

    /// A forger does not know the secret.
    fn signature(&self, body: &str) -> String {
        let secret = if self.by == FORGER { "another secret" } else { SECRET };
        format!("v1={}", vendor_doubles::signature(secret, body))
    }

    /// Sends it from `at` on until it is answered, and once more by the draw.
    pub fn tell(self, wire: Wire, outside: Outside, at: Option<Timestamp>) {
        let scheduler = wire.scheduler.clone();
        let label = format!("webhook {}", self.id());
        scheduler.clone().spawn(None, &label, at, false, async move {
            let again = match self.attempt(&wire).await {
                None => Some(Duration::from_secs(60)),
                Some((status, outcome)) => {
                    scheduler.met(match (status, outcome.as_str()) {
                        (401, _) => "refused webhooks",
                        (_, "repeated") => "repeated webhooks",
                        _ => "taken webhooks",
                    });
                    let taken = Told { event: self.clone(), status, at: scheduler.now() };
                    outside.books().told.push(taken);
                    scheduler.draw(|_, rng, _| {
                        rng.random_bool(0.2).then(|| Duration::from_secs(rng.random_range(1..600)))
                    })
                }
            };
            if let Some(after) = again {
                let at = scheduler.now().plus(after);
                self.tell(wire, outside, Some(at));
            }
        });
    }

    /// The answer's status and outcome; none: it is worth another attempt.
    async fn attempt(&self, wire: &Wire) -> Option<(u16, String)> {
        let url = "http://reporter/v1/webhooks/pagerduty".parse().unwrap_or_else(|error| panic!("{error}"));
        let mut request = Request::new(Method::POST, url);
        let body = self.body();
        let signature = HeaderValue::from_str(&self.signature(&body)).ok()?;
        request.headers_mut().insert("x-pagerduty-signature", signature);
        *request.body_mut() = Some(body.into());
        let reply = wire.exchange(request).await.ok().filter(|reply| !reply.status.is_server_error())?;
        let answer: Value = serde_json::from_slice(&reply.body.ok()?).ok()?;
        let outcome = answer.get("outcome").and_then(Value::as_str).unwrap_or_default();
        Some((reply.status.as_u16(), outcome.to_owned()))
    }
}
