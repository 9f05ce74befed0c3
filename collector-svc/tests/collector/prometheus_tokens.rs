//! A Prometheus behind tokens, and the server that gives them (RFC 6749, section 4.4): it refuses what such servers refuse.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use collector_svc::sources::prometheus::READER;
use domain::kinds::Chosen;
use domain::server::{Auth, OAuth2};
use domain::sources::prometheus::Prometheus;
use serde_json::{Value, json};
use shared_types::SecretFrom;

use crate::prometheus::{SAVES, Server, instance, serve};
use crate::rig::{Rig, directive};

const SECRET: &str = "s/cret hunter2";
/// `phase:gate` and the secret, each as a form writes it.
const BASIC: &str = "Basic cGhhc2UlM0FnYXRlOnMlMkZjcmV0K2h1bnRlcjI=";

/// Gives tokens, each its own; the newest alone is taken.
#[derive(Clone, Default)]
struct Login {
    given: Arc<Mutex<Vec<String>>>,
    takes: Arc<Mutex<Option<String>>>,
    lasts_s: Value,
    /// Whether what it gives is not taken.
    useless: bool,
    url: String,
}

/// With saves in two windows.
fn server() -> Server {
    let server = crate::prometheus::server();
    server.sample(SAVES, &instance("a"), "10:29:50", 1075.0);
    server
}

impl Login {
    fn start(self, server: &Server) -> Self {
        let login = Self { takes: Arc::clone(&server.takes), ..self };
        *login.takes.lock().unwrap() = Some("none yet".to_owned());
        let router = Router::new().route("/token", post(token)).with_state(login.clone());
        Self { url: format!("{}/token", serve(router)), ..login }
    }

    fn given(&self) -> usize {
        self.given.lock().unwrap().len()
    }
}

async fn token(State(login): State<Login>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<_, _> = form.query_pairs().into_owned().collect();
    let shown = headers.get("Authorization").and_then(|it| it.to_str().ok());
    if shown != Some(BASIC) || form.contains_key("client_secret") {
        let said =
            json!({ "error": "invalid_client", "error_description": format!("not known by {SECRET}") });
        return (StatusCode::UNAUTHORIZED, Json(said));
    }
    if form.get("grant_type").map(String::as_str) != Some("client_credentials") || form["scope"] != "read all"
    {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" })));
    }
    let mut given = login.given.lock().unwrap();
    let token = format!("token-{}", given.len());
    given.push(token.clone());
    if !login.useless {
        *login.takes.lock().unwrap() = Some(token.clone());
    }
    let lasts_s = &login.lasts_s;
    (StatusCode::OK, Json(json!({ "access_token": token, "token_type": "bearer", "expires_in": lasts_s })))
}

async fn rig(server: &Server, login: &Login, secret: &str) -> (Rig, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{secret}").unwrap();
    let client = OAuth2 {
        token_url: login.url.clone(),
        client_id: "phase:gate".to_owned(),
        client_secret: SecretFrom::File(file.path().display().to_string()),
        scopes: vec!["read".to_owned(), "all".to_owned()],
    };
    let settings = Prometheus { auth: Some(Auth::OAuth2(client)), ..server.settings() };
    let mut rig = Rig::pulling(Chosen(Arc::new(settings)), &[READER]).await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    (rig, file)
}

/// CO-5: all queries of a token's life are asked with it; half a minute before its end it is no longer sent.
#[tokio::test]
async fn a_token_is_kept_until_shortly_before_its_end() {
    for (lasts_s, given) in [(json!(945), 1), (json!(920), 2), (json!("920"), 2)] {
        let server = server();
        let login = Login { lasts_s: lasts_s.clone(), ..Login::default() }.start(&server);
        let (mut rig, _file) = rig(&server, &login, SECRET).await;
        rig.turn_at("10:15:30").await;
        assert_eq!((login.given(), rig.worker.source_error()), (1, None));
        rig.turn_at("10:30:30").await;
        assert_eq!((login.given(), rig.worker.source_error()), (given, None), "{lasts_s} s");
        let saves = rig
            .analyzer
            .batches()
            .iter()
            .map(|it| it.counters["autosave.save.completed"])
            .collect::<Vec<_>>();
        assert_eq!(saves, [70, 5]);
    }
}

/// CO-5: one that was taken back before its end is no outage.
#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew() {
    let server = server();
    let login = Login { lasts_s: json!(3600), ..Login::default() }.start(&server);
    let (mut rig, _file) = rig(&server, &login, SECRET).await;
    rig.turn_at("10:15:30").await;
    *login.takes.lock().unwrap() = Some("another".to_owned());
    rig.turn_at("10:30:30").await;
    assert_eq!((login.given(), rig.worker.source_error()), (2, None));
    assert_eq!(rig.analyzer.batches().len(), 2);
}

/// CO-5: who is given no token, or one that is not taken, is told so; a query is asked once more and not again, and no text
/// shows a secret.
#[tokio::test]
async fn a_refusal_is_told_without_secrets() {
    let server = server();
    let login = Login { useless: true, lasts_s: json!(3600), ..Login::default() }.start(&server);
    let (mut known, _file) = rig(&server, &login, SECRET).await;
    known.turn_at("10:15:30").await;
    let error = known.worker.source_error().unwrap().to_owned();
    assert!(error.ends_with("HTTP 401: Bearer *** is not taken"), "{error}");
    assert_eq!(login.given(), 2);

    let (mut unknown, _file) = rig(&server, &login, "hunter2").await;
    unknown.turn_at("10:15:30").await;
    let error = unknown.worker.source_error().unwrap().to_owned();
    let expected = format!("no token of {}: HTTP 401: invalid_client not known by s/cret ***", login.url);
    assert!(error.ends_with(&expected) && error.starts_with(&server.url), "{error}");
}
