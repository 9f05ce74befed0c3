//! Webhooks, version 3: signed over the raw body, sent when something happens to an incident.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::account::PagerDutyIncident;
use super::{Desk, PagerDutyDouble};
use crate::mode::now;
use crate::server::Shared;

const PATIENCE: Duration = Duration::from_secs(10);

/// How one event is delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Once, signed.
    #[default]
    Normal,
    /// Twice, one after the other, as the same event.
    Duplicate,
    /// Never.
    Lost,
    /// After that time.
    Late(Duration),
    /// Signed with another secret.
    WrongSecret,
    /// With a second signature before the right one, as while a secret is being changed.
    TwoSignatures,
    /// Without the key of the event that opened the incident.
    WithoutKey,
}

/// Where events go, and what was answered to them.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    url: Option<String>,
    secret: String,
    next: std::collections::VecDeque<Delivery>,
    sent: u32,
    answers: Vec<u16>,
}

/// Who did what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happening<'a> {
    pub(super) kind: &'a str,
    /// None: by the integration.
    pub(super) by: Option<&'a str>,
}

impl PagerDutyDouble {
    /// Sends events to that URL (`http://127.0.0.1:…/v1/webhooks/pagerduty`) from now on, signed with that secret.
    pub fn send_webhooks_to(&self, url: &str, secret: &str) -> &Self {
        let mut desk = self.shared.lock();
        desk.subscription.url = Some(url.to_owned());
        secret.clone_into(&mut desk.subscription.secret);
        drop(desk);
        self
    }

    /// Delivers the next event so; those after it are queued behind it.
    pub fn next_webhook(&self, delivery: Delivery) -> &Self {
        self.shared.lock().subscription.next.push_back(delivery);
        self
    }

    /// What was answered to the events sent so far; 0 where nothing was.
    #[must_use]
    pub fn webhook_answers(&self) -> Vec<u16> {
        self.shared.lock().subscription.answers.clone()
    }

    /// Waits until so many were answered; false if they never were.
    pub async fn wait_for_webhooks(&self, count: usize, limit: Duration) -> bool {
        let met = |desk: &Desk| (desk.subscription.answers.len() >= count).then_some(());
        self.shared.wait_for(limit, met).await.is_some()
    }
}

/// Tells the subscriber, in the background.
pub(super) fn tell(
    shared: &Shared<Desk>,
    desk: &mut Desk,
    incident: &PagerDutyIncident,
    what: Happening<'_>,
) {
    let Some(url) = desk.subscription.url.clone() else { return };
    let delivery = desk.subscription.next.pop_front().unwrap_or_default();
    desk.subscription.sent += 1;
    let body = event(desk.subscription.sent, incident, what, delivery == Delivery::WithoutKey).to_string();
    let right = format!("v1={}", signature(&desk.subscription.secret, &body));
    let header = match delivery {
        Delivery::WrongSecret => format!("v1={}", signature("another secret", &body)),
        Delivery::TwoSignatures => format!("v1={},{right}", signature("the secret to come", &body)),
        _ => right,
    };
    let (times, pause) = match delivery {
        Delivery::Lost => return,
        Delivery::Duplicate => (2, Duration::ZERO),
        Delivery::Late(pause) => (1, pause),
        _ => (1, Duration::ZERO),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        for _ in 0..times {
            let sent = tokio::time::timeout(PATIENCE, post(&url, &header, &body)).await;
            let answer = sent.ok().and_then(Result::ok).unwrap_or_default();
            shared.lock().subscription.answers.push(answer);
            shared.announce();
        }
    });
}

fn event(number: u32, incident: &PagerDutyIncident, what: Happening<'_>, without_key: bool) -> Value {
    let agent = match what.by {
        Some(name) => json!({ "id": "PUSER01", "summary": name, "type": "user_reference" }),
        None => json!({ "id": "PSERV01", "summary": "Events API v2", "type": "service_reference" }),
    };
    let mut event = json!({ "event": {
        "id": format!("01DOUBLE{number:06}"),
        "event_type": what.kind,
        "resource_type": "incident",
        "occurred_at": now(),
        "agent": agent,
        "client": null,
        "data": {
            "id": incident.id,
            "type": "incident",
            "incident_key": incident.dedup_key,
            "status": incident.status.as_str(),
            "title": incident.summary,
            "created_at": incident.opened_at,
        },
    }});
    if without_key {
        event["event"]["data"]["incident_key"] = Value::Null;
    }
    event
}

/// Hex HMAC-SHA256, as in `X-PagerDuty-Signature` behind `v1=`.
#[must_use]
pub fn signature(secret: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One POST over a connection of its own; gives the status. Plain, so that the doubles need no client.
async fn post(url: &str, signature: &str, body: &str) -> std::io::Result<u16> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap_or((url, ""));
    let mut stream = TcpStream::connect(host).await?;
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         X-PagerDuty-Signature: {signature}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default())
}
