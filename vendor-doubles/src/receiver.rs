//! A receiver of signed webhooks that moves a flag: it knows repeats by their id, and refuses what is not signed as Standard
//! Webhooks has it (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cut::Scissors;
use crate::mode::{Attempt, Mode, Reply, Script, now};
use crate::server::{Server, Shared};

/// The key itself, and as it is told to the sender: base64 after `whsec_`.
const KEY: &[u8] = b"double-webhook-signing-key";
const SECRET: &str = "whsec_ZG91YmxlLXdlYmhvb2stc2lnbmluZy1rZXk=";

/// A receiver on this machine.
pub struct ReceiverDouble {
    server: Server,
    shared: Shared<Receiver>,
}

struct Receiver {
    phase: String,
    /// Ids whose effect was had.
    known: BTreeSet<String>,
    /// How many requests are answered *not yet* before a move is made.
    not_yet: u32,
    /// Whether the answer tells the phase.
    tells: bool,
    script: Script,
    attempts: Vec<Attempt>,
    /// Ids of the requests, with each one.
    ids: Vec<String>,
}

impl ReceiverDouble {
    /// Starts; a phase is served already.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start(phase: &str) -> std::io::Result<Self> {
        let shared = Shared::new(Receiver {
            phase: phase.to_owned(),
            known: BTreeSet::new(),
            not_yet: 0,
            tells: true,
            script: Script::default(),
            attempts: Vec::new(),
            ids: Vec::new(),
        });
        let router = Router::new().route("/moves", post(receive).get(look)).with_state(shared.clone());
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// Where moves are sent, and the phase is asked for.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/moves", self.server.address)
    }

    /// What requests are to be signed with.
    #[must_use]
    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// What is served.
    #[must_use]
    pub fn phase(&self) -> String {
        self.shared.lock().phase.clone()
    }

    /// A person moves it.
    pub fn set_phase(&self, phase: &str) {
        phase.clone_into(&mut self.shared.lock().phase);
    }

    /// So many requests are answered 202 before the next move is made.
    pub fn not_yet(&self, requests: u32) {
        self.shared.lock().not_yet = requests;
    }

    /// Its answers tell no phase any more.
    pub fn be_silent(&self) {
        self.shared.lock().tells = false;
    }

    /// Treats the next request so; those after it are queued behind it.
    pub fn next(&self, mode: Mode) -> &Self {
        self.shared.lock().script.queue(mode);
        self
    }

    /// All requests, whatever came of them.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }

    /// The id of each of them.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.shared.lock().ids.clone()
    }
}

async fn receive(
    State(shared): State<Shared<Receiver>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = shared.lock().treat("POST", &headers, &body, |it, id| it.make(id, &body));
    reply.give(&scissors).await
}

async fn look(
    State(shared): State<Shared<Receiver>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
) -> Response {
    let reply = shared.lock().treat("GET", &headers, &[], |it, _| {
        it.not_yet = it.not_yet.saturating_sub(1);
        (StatusCode::OK, json!({ "phase": it.phase }))
    });
    reply.give(&scissors).await
}

impl Receiver {
    fn treat(
        &mut self,
        method: &str,
        headers: &HeaderMap,
        body: &[u8],
        act: impl FnOnce(&mut Self, &str) -> (StatusCode, Value),
    ) -> Reply {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let mode = self.script.take();
        let reply = mode.refusal().unwrap_or_else(|| {
            if !is_signed(id, timestamp, header("webhook-signature"), body) {
                let said = axum::Json(json!({ "error": "the signature is not good" }));
                return Reply::Answer((StatusCode::UNAUTHORIZED, said).into_response());
            }
            let (status, said) = act(self, id);
            mode.reply((status, axum::Json(said)).into_response())
        });
        self.ids.push(id.to_owned());
        self.attempts.push(Attempt {
            at: now(),
            method: method.to_owned(),
            path: "/moves".to_owned(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            answered: reply.answered(),
        });
        reply
    }

    fn make(&mut self, id: &str, body: &[u8]) -> (StatusCode, Value) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return (StatusCode::BAD_REQUEST, json!({ "error": "no JSON" }));
        };
        let data = &body["data"];
        let Some(to) = data["to"].as_str() else {
            return (StatusCode::BAD_REQUEST, json!({ "error": "`data.to` is missing" }));
        };
        if self.not_yet > 0 {
            self.not_yet -= 1;
            return (StatusCode::ACCEPTED, Value::Null);
        }
        let is_new = !self.known.contains(id);
        let expected =
            data["expected"].as_array().is_some_and(|all| all.contains(&self.phase.as_str().into()));
        if is_new && !expected {
            return (StatusCode::CONFLICT, json!({ "phase": self.phase }));
        }
        self.known.insert(id.to_owned());
        to.clone_into(&mut self.phase);
        (StatusCode::OK, if self.tells { json!({ "phase": self.phase }) } else { json!({}) })
    }
}

/// Any one of the signatures is enough.
fn is_signed(id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    let good = |signature: &str| {
        let given = signature.strip_prefix("v1,").and_then(|it| STANDARD.decode(it).ok());
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(KEY) else { return false };
        [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].iter().for_each(|part| mac.update(part));
        given.is_some_and(|given| mac.verify_slice(&given).is_ok())
    };
    !id.is_empty() && timestamp.parse::<u64>().is_ok() && signatures.split(' ').any(good)
}
