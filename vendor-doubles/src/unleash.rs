//! Unleash: one feature in one environment, by the Admin API.
//!
//! - <https://docs.getunleash.io/reference/api/unleash/get-feature-environment>
//! - <https://docs.getunleash.io/reference/api/unleash/patch-feature-strategy>

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cut::Scissors;
use crate::mode::{Attempt, Mode, Reply, Script, now};
use crate::server::{Server, Shared};

/// The environment that there is, and the project.
const ENVIRONMENT: &str = "production";
const PROJECT: &str = "default";
/// The feature's own strategy.
const STRATEGY: &str = "b4bd2d33-3ed9-4bb9-a3c9-05a3ae7d1d3a";

/// Unleash on this machine, with one feature whose gradual strategy stands at 0 %.
pub struct UnleashDouble {
    server: Server,
    shared: Shared<Features>,
}

struct Features {
    token: String,
    feature: String,
    enabled: bool,
    strategies: Vec<Value>,
    /// What a person sets right before the next write is looked at.
    meanwhile: Option<String>,
    /// Whether writes are taken and change nothing.
    locked: bool,
    script: Script,
    attempts: Vec<Attempt>,
}

impl UnleashDouble {
    /// Starts.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start(feature: &str) -> std::io::Result<Self> {
        let shared = Shared::new(Features {
            token: "*:*.double-admin-token".to_owned(),
            feature: feature.to_owned(),
            enabled: true,
            strategies: vec![json!({
                "id": STRATEGY, "name": "flexibleRollout", "title": null, "disabled": false, "constraints": [],
                "segments": [], "variants": [],
                "parameters": { "rollout": "0", "stickiness": "default", "groupId": feature },
            })],
            meanwhile: None,
            locked: false,
            script: Script::default(),
            attempts: Vec::new(),
        });
        let place = "/api/admin/projects/{project}/features/{feature}/environments/{environment}";
        let router = Router::new()
            .route(place, get(read))
            .route(&format!("{place}/strategies/{{id}}"), patch(change))
            .with_state(shared.clone());
        Ok(Self { server: Server::start(router).await?, shared })
    }

    /// The server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A token of the Admin API.
    #[must_use]
    pub fn token(&self) -> String {
        self.shared.lock().token.clone()
    }

    /// The `rollout` of the feature's own strategy.
    #[must_use]
    pub fn rollout(&self) -> String {
        self.shared.lock().strategies[0]["parameters"]["rollout"].as_str().unwrap_or_default().to_owned()
    }

    /// A person sets it.
    pub fn set_rollout(&self, rollout: &str) {
        self.shared.lock().set(rollout);
    }

    /// A person sets it between the next write's arrival and its effect.
    pub fn set_meanwhile(&self, rollout: &str) {
        self.shared.lock().meanwhile = Some(rollout.to_owned());
    }

    /// From now on writes are answered well and change nothing.
    pub fn lock(&self) {
        self.shared.lock().locked = true;
    }

    /// Turns the environment off or on.
    pub fn enable(&self, enabled: bool) {
        self.shared.lock().enabled = enabled;
    }

    /// One more strategy, as Unleash writes it.
    pub fn add_strategy(&self, strategy: Value) {
        self.shared.lock().strategies.push(strategy);
    }

    /// The feature has another name from now on.
    pub fn rename(&self, feature: &str) {
        feature.clone_into(&mut self.shared.lock().feature);
    }

    /// From now on only another token is taken.
    pub fn revoke(&self) {
        "*:*.another-token".clone_into(&mut self.shared.lock().token);
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
}

/// A refusal: its status, and Unleash's name and words for it; none, where it says nothing.
type Refused = (u16, Option<(&'static str, String)>);

fn refused(status: u16, name: &'static str, message: impl Into<String>) -> Refused {
    (status, Some((name, message.into())))
}

type Place = (String, String, String);

async fn read(
    State(shared): State<Shared<Features>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(place): Path<Place>,
    headers: HeaderMap,
) -> Response {
    let path = path_of(&place);
    let reply = shared.lock().treat("GET", &path, &[], |all| {
        all.check(&headers, &place, true)?;
        let strategies = &all.strategies;
        Ok(json!({ "name": ENVIRONMENT, "type": ENVIRONMENT, "enabled": all.enabled, "strategies": strategies }))
    });
    reply.give(&scissors).await
}

async fn change(
    State(shared): State<Shared<Features>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((project, feature, environment, id)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let place = (project, feature, environment);
    let path = format!("{}/strategies/{id}", path_of(&place));
    let reply = shared.lock().treat("PATCH", &path, &body, |all| {
        all.check(&headers, &place, false)?;
        if all.strategies[0]["id"] != id.as_str() {
            return Err(refused(404, "NotFoundError", format!("Could not find strategy with id {id}")));
        }
        if let Some(rollout) = all.meanwhile.take() {
            all.set(&rollout);
        }
        all.patch(&body)?;
        Ok(all.strategies[0].clone())
    });
    reply.give(&scissors).await
}

fn path_of((project, feature, environment): &Place) -> String {
    format!("/api/admin/projects/{project}/features/{feature}/environments/{environment}")
}

/// One operation of a JSON Patch (RFC 6902).
#[derive(Debug, Deserialize)]
struct Operation {
    op: String,
    path: String,
    value: Value,
}

impl Features {
    fn treat(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        act: impl FnOnce(&mut Self) -> Result<Value, Refused>,
    ) -> Reply {
        let mode = self.script.take();
        let reply = mode.refusal().unwrap_or_else(|| match act(self) {
            Ok(answer) => mode.reply(axum::Json(answer).into_response()),
            Err((status, said)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let said = said.map(|(name, message)| {
                    axum::Json(json!({ "id": "f2ab", "name": name, "message": message })).into_response()
                });
                let mut response = said.unwrap_or_else(|| ().into_response());
                *response.status_mut() = status;
                Reply::Answer(response)
            }
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

    /// The header is the bare token. Of a feature that is not there a reader is told, and who would change it gets 403 without a
    /// word.
    fn check(&self, headers: &HeaderMap, place: &Place, reads: bool) -> Result<(), Refused> {
        let (project, feature, environment) = place;
        if headers.get("authorization").is_none_or(|it| it != self.token.as_str()) {
            return Err(refused(401, "UnauthorizedError", "You must log in to use Unleash."));
        }
        if project != PROJECT || *feature != self.feature {
            let message = format!("There's no feature named \"{feature}\" in project \"{project}\".");
            return Err(if reads { refused(404, "NotFoundError", message) } else { (403, None) });
        }
        if environment != ENVIRONMENT {
            return Err(refused(404, "NotFoundError", format!("Could not find {feature} in {environment}")));
        }
        Ok(())
    }

    fn set(&mut self, rollout: &str) {
        self.strategies[0]["parameters"]["rollout"] = rollout.into();
    }

    /// All of it, or nothing.
    fn patch(&mut self, body: &[u8]) -> Result<(), Refused> {
        let bad = |message: &str| refused(400, "BadDataError", message);
        let operations: Vec<Operation> =
            serde_json::from_slice(body).map_err(|_| bad("Request validation failed"))?;
        let mut strategy = self.strategies[0].clone();
        for Operation { op, path, value } in operations {
            let place = strategy.pointer_mut(&path).ok_or_else(|| bad("the path does not exist"))?;
            match op.as_str() {
                "test" if *place == value => {}
                "test" => {
                    return Err(refused(
                        500,
                        "UnknownError",
                        "Test operation failed\nname: TEST_OPERATION_FAILED",
                    ));
                }
                // Whatever text it is: Unleash takes `"250"`.
                "replace" if value.is_string() => *place = value,
                _ => return Err(bad("parameters.rollout must be a string")),
            }
        }
        if !self.locked {
            self.strategies[0] = strategy;
        }
        Ok(())
    }
}
