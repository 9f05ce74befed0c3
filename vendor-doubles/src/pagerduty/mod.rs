//! PagerDuty: Events API v2, and of the REST API what concerns incidents and priorities.

mod account;
mod rest;
mod rules;
mod webhook;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use crate::cut::Scissors;
use crate::mode::{Attempt, Mode, Reply, Script, now};
use crate::server::{Server, Shared};
use account::Account;
pub use account::{PagerDutyEvent, PagerDutyIncident, PagerDutyStatus};
pub use webhook::{Delivery, signature};
use webhook::{Happening, Subscription, tell};

/// What the double's account is like.
#[derive(Debug, Clone)]
pub struct PagerDutyOptions {
    /// The one integration key that opens it; 32 characters.
    pub routing_key: String,
    /// The one REST token.
    pub api_token: String,
    /// The priorities of the account, highest first.
    pub priorities: Vec<String>,
    /// So many lookups of a new incident find nothing: a 202 is not yet an incident.
    pub appears_after_lookups: u32,
}

impl Default for PagerDutyOptions {
    fn default() -> Self {
        Self {
            routing_key: "R0123456789abcdefghijklmnopqrstu".to_owned(),
            api_token: "y_NbAkKc66ryYTWUXYEu".to_owned(),
            priorities: ["P1", "P2", "P3"].map(str::to_owned).to_vec(),
            appears_after_lookups: 0,
        }
    }
}

/// A PagerDuty account on this machine.
pub struct PagerDutyDouble {
    server: Server,
    shared: Shared<Desk>,
}

struct Desk {
    options: PagerDutyOptions,
    script: Script,
    account: Account,
    attempts: Vec<Attempt>,
    subscription: Subscription,
}

impl PagerDutyDouble {
    /// Starts with the default options.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(PagerDutyOptions::default()).await
    }

    /// Starts.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start_with(options: PagerDutyOptions) -> std::io::Result<Self> {
        let account = Account::new(options.appears_after_lookups);
        let (script, attempts, subscription) = (Script::default(), Vec::new(), Subscription::default());
        let shared = Shared::new(Desk { options, script, account, attempts, subscription });
        let router = Router::new()
            .route("/v2/enqueue", post(enqueue))
            .route("/incidents", get(rest::list_incidents))
            .route("/incidents/{id}", put(rest::update_incident))
            .route("/priorities", get(rest::list_priorities))
            .layer(DefaultBodyLimit::max(4 * 1024 * 1024))
            .with_state(shared.clone());
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// For `PAGERDUTY_EVENTS_URL` and `PAGERDUTY_API_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// For `PAGERDUTY_ROUTING_KEY`.
    #[must_use]
    pub fn routing_key(&self) -> String {
        self.shared.lock().options.routing_key.clone()
    }

    /// For `PAGERDUTY_API_TOKEN`.
    #[must_use]
    pub fn api_token(&self) -> String {
        self.shared.lock().options.api_token.clone()
    }

    /// Treats the next request so; those after it are queued behind it.
    pub fn next(&self, mode: Mode) -> &Self {
        self.shared.lock().script.queue(mode);
        self
    }

    /// Treats every request so for which nothing is queued.
    pub fn always(&self, mode: Mode) -> &Self {
        self.shared.lock().script.stand(mode);
        self
    }

    /// A person acknowledges the open incident with that key; false if there is none.
    pub fn acknowledge(&self, dedup_key: &str, by: &str) -> bool {
        let acknowledged = self.shared.lock().account.acknowledge(dedup_key, Some(by), now());
        if acknowledged {
            self.tell(dedup_key, Happening { kind: "incident.acknowledged", by: Some(by) });
        }
        self.shared.announce();
        acknowledged
    }

    /// A person resolves the open incident with that key; false if there is none.
    pub fn resolve(&self, dedup_key: &str, by: &str) -> bool {
        let resolved = self.shared.lock().account.resolve(dedup_key);
        if resolved {
            self.tell(dedup_key, Happening { kind: "incident.resolved", by: Some(by) });
        }
        self.shared.announce();
        resolved
    }

    /// Something happened to the newest incident with that key.
    fn tell(&self, dedup_key: &str, what: Happening<'_>) {
        let mut desk = self.shared.lock();
        let found = desk.account.incidents.iter().rev().find(|it| it.dedup_key == dedup_key).cloned();
        if let Some(incident) = found {
            tell(&self.shared, &mut desk, &incident, what);
        }
    }

    /// All incidents there ever were, oldest first.
    #[must_use]
    pub fn incidents(&self) -> Vec<PagerDutyIncident> {
        self.shared.lock().account.incidents.clone()
    }

    /// All events that were taken, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<PagerDutyEvent> {
        self.shared.lock().account.events.clone()
    }

    /// All requests, whatever came of them.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }

    /// Waits until the incidents are so, for `limit` at most; false if they never were.
    pub async fn wait_until(
        &self,
        limit: Duration,
        condition: impl Fn(&[PagerDutyIncident]) -> bool,
    ) -> bool {
        let met = |desk: &Desk| condition(&desk.account.incidents).then_some(());
        self.shared.wait_for(limit, met).await.is_some()
    }

    /// Waits for the event with this number, counted from 0; a way to follow them as they come.
    pub async fn event(&self, number: usize, limit: Duration) -> Option<PagerDutyEvent> {
        self.shared.wait_for(limit, |desk| desk.account.events.get(number).cloned()).await
    }
}

async fn enqueue(
    State(shared): State<Shared<Desk>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("POST", "/v2/enqueue", &body, |desk| {
        match rules::event(&headers, &body, &desk.options.routing_key) {
            Err(refusal) => (*refusal, false),
            Ok(event) => {
                let answer = json!({
                    "status": "success",
                    "message": "Event processed",
                    "dedup_key": event.dedup_key,
                });
                let (action, key) = (event.action.clone(), event.dedup_key.clone());
                let before = desk.account.incidents.len();
                desk.account.take(event);
                let kind = match action.as_str() {
                    "trigger" if desk.account.incidents.len() > before => Some("incident.triggered"),
                    "resolve" => Some("incident.resolved"),
                    _ => None,
                };
                let newest = desk.account.incidents.iter().rev().find(|it| it.dedup_key == key).cloned();
                if let (Some(kind), Some(incident)) = (kind, newest) {
                    tell(&shared, desk, &incident, Happening { kind, by: None });
                }
                ((StatusCode::ACCEPTED, axum::Json(answer)).into_response(), true)
            }
        }
    });
    shared.announce();
    reply.give(&scissors).await
}

impl Desk {
    /// Treats a request by its mode and writes it down. `act` says its answer and whether it had an effect.
    fn treat(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        act: impl FnOnce(&mut Self) -> (Response, bool),
    ) -> Reply {
        let mode = self.script.take();
        let reply = mode.refusal().unwrap_or_else(|| match act(self) {
            (answer, true) => mode.reply(answer),
            (refusal, false) => Reply::Answer(refusal),
        });
        self.attempts.push(Attempt {
            at: now(),
            method: method.to_owned(),
            path: path.to_owned(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            answered: reply.answered(),
        });
        reply
    }
}
