//! The whole service on its real loops: a batch over HTTP becomes a decision at the reporter, also when the
//! reporter, or the analyzer itself, was away in between.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic; its helpers are tests too")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analyzer_svc::Config;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::policy::Policy;
use secrecy::SecretString;
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::config::HttpArgs;
use service_kit::db::{Db, SchemaName};
use service_kit::{CommonConfig, ServiceName};
use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::{Batch, Decision, Histogram, PhaseId, TargetName, Timestamp, Verdict, Window};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes long; this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn client() -> reqwest::Client {
    service_kit::client::install_crypto();
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

struct Running {
    url: String,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start(folder: &Path, database_url: Option<&str>, reporter: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let nowhere = "http://127.0.0.1:9".parse::<reqwest::Url>().unwrap();
        let policy_path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies/source-document.yaml");
        let common = CommonConfig {
            service: ServiceName::Analyzer,
            database_url: database_url.map(|url| SecretString::from(url.to_owned())),
            database_schema: SchemaName::default(),
            database_connections: None,
            database_wait: Duration::ZERO,
            http: HttpArgs::default(),
            services_here: 1,
            data_dir: folder.to_owned(),
            policy: Arc::new(Policy::load(&policy_path).unwrap()),
            policy_path,
            collector_url: nowhere.clone(),
            analyzer_url: nowhere,
            reporter_url: format!("http://{reporter}").parse().unwrap(),
            tokens: None,
            service_token: None,
            clock: Arc::new(SystemClock),
        };
        let task = tokio::spawn(analyzer_svc::run(Config { common }, listener, shutdown.clone()));
        Self { url, shutdown, task }
    }

    async fn send(&self, batch: &Batch) -> (u16, Decision) {
        let http = client();
        let response = http.post(format!("{}/v1/batches", self.url)).json(batch).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let http = client();
        let response = http.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// A reporter that takes decisions and has no rollouts.
async fn reporter() -> (SocketAddr, mpsc::UnboundedReceiver<Decision>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = move |Json(decision): Json<Decision>| async move {
        sender.send(decision).unwrap();
        axum::http::StatusCode::ACCEPTED
    };
    let none = || async { axum::http::StatusCode::NOT_FOUND };
    let app = Router::new().route("/v1/decisions", post(take)).route("/v1/rollouts/{target}", get(none));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, receiver)
}

async fn next(decisions: &mut mpsc::UnboundedReceiver<Decision>) -> Decision {
    tokio::time::timeout(PATIENCE, decisions.recv()).await.unwrap().unwrap()
}

/// The batch of the `back`th last whole window before `now`, whose saves all take `save_ms`.
fn batch(now: Timestamp, back: u32, save_ms: f64) -> Batch {
    let length = Duration::from_secs(900);
    let end = now.align_down(length).minus(length * back);
    let window = Window { start: end.minus(length), end };
    let mut histogram = Histogram::default();
    (0..100).for_each(|_| histogram.record(save_ms));
    let quantile = |q| histogram.quantile(q).unwrap();
    let saves = Distribution {
        unit: "ms".into(),
        count: 100,
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: save_ms,
        histogram: histogram.encode(),
    };
    Batch {
        schema: SCHEMA.into(),
        target: TargetName::parse("autosave").unwrap(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window,
        counters: BTreeMap::from([
            ("autosave.save.completed".into(), 100),
            ("autosave.save.error".into(), 0),
            ("autosave.history.drift".into(), 0),
        ]),
        distributions: BTreeMap::from([("autosave.save.completed".into(), saves)]),
        buckets: BTreeMap::new(),
        breakdowns: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: Intake::default(),
        collector_latency_ms: 31_000,
        attempts: 1,
        source: "http".into(),
        collected_at: Timestamp::from_millis(end.as_millis() + 31_000),
        next_window: None,
        policy_version: None,
    }
}

async fn decisions_reach_the_reporter(database_url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let (address, mut decisions) = reporter().await;
    let now = SystemClock.now();

    let analyzer = Running::start(folder.path(), database_url, address).await;
    let (status, decision) = analyzer.send(&batch(now, 3, 900.0)).await;
    assert_eq!((status, decision.verdict), (201, Verdict::Ok));
    assert_eq!(next(&mut decisions).await, decision);
    assert_eq!(analyzer.get("/readyz").await.0, 200);
    analyzer.stop().await;

    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let analyzer = Running::start(folder.path(), database_url, away).await;
    let (status, violation) = analyzer.send(&batch(now, 2, 2600.0)).await;
    assert_eq!((status, violation.verdict), (201, Verdict::Violation));
    let (_, warning) = analyzer.send(&batch(now, 1, 2400.0)).await;
    analyzer.stop().await;

    let analyzer = Running::start(folder.path(), database_url, address).await;
    assert_eq!(next(&mut decisions).await, violation);
    assert_eq!(next(&mut decisions).await, warning);
    assert_eq!(analyzer.send(&batch(now, 2, 2600.0)).await, (200, violation));
    analyzer.stop().await;
}

/// DE-5: what was decided reaches the reporter in order, though reporter and analyzer were away in between.
#[tokio::test]
async fn decision_survives_restarts_on_sqlite() {
    decisions_reach_the_reporter(None).await;
}

/// DE-5, on PostgreSQL.
#[tokio::test]
async fn decision_survives_restarts_on_postgres() {
    let database = phasegate_tests::postgres::TestDatabase::create().await;
    decisions_reach_the_reporter(Some(database.url())).await;
}

/// OP-6: what a newer release may have stored keeps this one from starting, with one line that says what to do.
#[tokio::test]
async fn a_form_of_a_newer_release_stops_the_start_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (address, _decisions) = reporter().await;
    let url = Db::embedded_url(folder.path(), "analyzer");
    let db = Db::connect(&url, "analyzer", analyzer_svc::store::MIGRATIONS).await.unwrap();
    let insert = "INSERT INTO stored_forms (kind, form, allowed_at) VALUES ('watch', 2, 0)";
    sqlx::query(insert).execute(db.pool()).await.unwrap();
    db.close().await;

    let analyzer = Running::start(folder.path(), None, address).await;
    let stopped = tokio::time::timeout(PATIENCE, analyzer.task).await.unwrap().unwrap().unwrap_err();
    let line = format!("{stopped:#}");
    let expected = "the analyzer's database: watch may be kept in form 2 here, and this release reads up to form 1: \
                    start the newer release again, or restore a backup from before it (docs/operations.md, Upgrades)";
    assert_eq!(line, expected);
}
