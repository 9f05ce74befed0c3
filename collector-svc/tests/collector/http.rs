//! The whole service over HTTP, with a reporter that knows a directive and an analyzer that listens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Json, Router, routing::get};
use collector_svc::api::{Paused, TargetView};
use collector_svc::sources::Push;
use collector_svc::{Config, run};
use domain::kinds::Chosen;
use domain::policy::Policy;
use domain::sources::http::Http;
use domain::sources::jsonl::Jsonl;
use service_kit::clock::{Clock, ManualClock};
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::{CommonConfig, ServiceName};
use shared_types::{Directive, Problem};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::analyzer::Analyzer;
use crate::rig::{at, autosave, directive, saved, saves};

pub(crate) struct Service {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) analyzer: Analyzer,
    analyzer_at: SocketAddr,
    reporter_at: SocketAddr,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (analyzer, analyzer_at) = Analyzer::start().await;
        let rollout = serde_json::json!({
            "target": "autosave", "phase": "A", "epoch": 1, "state": "running", "since": null, "transition": null,
            "incident": null, "gate": null, "frozen": null, "rollback_waiting": null, "automatic_rollbacks": {"started": 0, "allowed": 6, "per_ms": 86_400_000}, "approvals": [], "approvals_void": [], "approvals_missing": [], "blockers": [], "directive": directive(1, "A", 1),
        });
        let reporter = Router::new().route("/v1/rollouts/autosave", get(|| async move { Json(rollout) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reporter_at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, reporter).await });
        let clock = Arc::new(ManualClock::at(at("10:00:00")));
        Self { directory: tempfile::tempdir().unwrap(), clock, analyzer, analyzer_at, reporter_at }
    }

    async fn start(&self) -> Service {
        let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml"));
        let mut policy = Policy::load(path).unwrap();
        policy.targets.get_mut(&autosave()).unwrap().collection.source = Chosen(Arc::new(Http));
        self.start_with(path, Arc::new(policy)).await
    }

    pub(crate) async fn start_with(&self, path: &std::path::Path, policy: Arc<Policy>) -> Service {
        let url = |address: SocketAddr| format!("http://{address}").parse().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let common = CommonConfig {
            service: ServiceName::Collector,
            database_url: None,
            database_schema: SchemaName::default(),
            database_connections: None,
            database_wait: Duration::ZERO,
            http: HttpArgs::default(),
            services_here: 1,
            data_dir: self.directory.path().to_owned(),
            policy_path: path.to_owned(),
            policy,
            collector_url: url(address),
            analyzer_url: url(self.analyzer_at),
            reporter_url: url(self.reporter_at),
            tokens: None,
            service_token: None,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        service_kit::client::install_crypto();
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(Config::new(common), listener, stop.clone()));
        let service = Service {
            base: format!("http://{address}/v1/targets/autosave"),
            http: reqwest::Client::new(),
            stop,
            task,
        };
        // The directive is fetched in the background.
        for _ in 0..500 {
            let view: TargetView = service.get().await;
            if view.directive.is_some() {
                return service;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no directive within 5 s");
    }
}

impl Service {
    async fn get(&self) -> TargetView {
        self.http.get(&self.base).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn push(
        &self,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) -> reqwest::Response {
        let mut request = self.http.post(format!("{}/events", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub(crate) async fn accepted(response: reqwest::Response, status: u16) -> Push {
    assert_eq!(response.status(), status);
    response.json().await.unwrap()
}

async fn refused(response: reqwest::Response, status: u16) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    response.json::<Problem>().await.unwrap().kind
}

/// TE-5, CO-6: pushes in every form, retries, a graceful stop, a restart, and the batch at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_is_in_the_batch_once() {
    let world = World::new().await;
    let service = world.start().await;
    let two = saved("10:00:00", "a") + &saved("10:00:01", "b");
    let push = accepted(service.push(two.clone() + "oops", &[]).await, 202).await;
    assert_eq!((push.accepted, push.malformed, push.errors[0].line), (2, 1, 3));
    let array = format!("[{},{}, 7]", saved("10:00:00", "c").trim(), saved("10:00:00", "a").trim());
    let push = accepted(service.push(array, &[("content-type", "application/json")]).await, 202).await;
    assert_eq!((push.accepted, push.duplicates, push.malformed, push.errors[0].line), (1, 1, 1, 3));

    let anonymous = r#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.completed","duration_ms":1}"#;
    let key = [("idempotency-key", "k1")];
    let first = accepted(service.push(anonymous, &key).await, 202).await;
    assert_eq!(accepted(service.push(anonymous, &key).await, 200).await, first);
    let kind = refused(service.push(two, &key).await, 422).await;
    assert_eq!(kind, "urn:phasegate:problem:idempotency_key_reused");
    service.stop().await;

    let service = world.start().await;
    assert_eq!(accepted(service.push(anonymous, &key).await, 200).await, first);
    let push = accepted(service.push(saved("10:00:00", "a"), &[]).await, 202).await;
    assert_eq!((push.accepted, push.duplicates), (0, 1));
    let view = service.get().await;
    assert_eq!((view.current.events, view.current.phase.as_str(), view.lag_ms), (4, "A", 0));
    world.clock.set(at("10:15:30"));
    until(async || !world.analyzer.batches().is_empty()).await;
    let batches = world.analyzer.batches();
    // The directive of phase A came at 10:00:00, where its first window begins.
    assert_eq!((batches.len(), saves(&batches[0]), batches[0].epoch), (1, 4, 1));
    service.stop().await;
}

/// TE-8: a body without one event that counts is refused with its reasons, under its key again too, and is in the intake counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_one_event_that_counts_is_refused() {
    let world = World::new().await;
    let service = world.start().await;
    let renamed = saved("10:00:00", "a").replace("duration_ms", "latency_ms");
    let unknown = saved("10:00:00", "u").replace("save.completed", "save.complete");
    let one_line = saved("10:00:00", "b").trim().repeat(2);
    let key = [("idempotency-key", "k")];
    for (body, headers, reason) in [
        (&renamed, &key[..], "line 1: `duration_ms` is missing"),
        (&renamed, &key[..], "line 1: `duration_ms` is missing"),
        (&unknown, &[], "`autosave.save.complete` (`autosave.save.completed`?)"),
        (&(unknown.clone() + &one_line), &[], "line 2: not JSON"),
    ] {
        let response = service.push(body.clone(), headers).await;
        assert_eq!(response.status(), 422);
        let problem: Problem = response.json().await.unwrap();
        assert!(
            problem.kind.ends_with("no_event_accepted") && problem.detail.contains(reason),
            "{problem:?}"
        );
    }
    for body in [String::new(), "\r\n".to_owned()] {
        assert_eq!(accepted(service.push(body, &[]).await, 202).await, Push::default());
    }
    let one = accepted(service.push(unknown + &saved("10:00:00", "c"), &[]).await, 202).await;
    assert_eq!((one.accepted, one.unknown, one.unknown_names["autosave.save.complete"]), (1, 1, 1));
    let seen = service.get().await.intake;
    let missing = seen.examples.iter().find(|it| it.field.as_deref() == Some("duration_ms")).unwrap();
    assert_eq!((missing.line, missing.what.as_str()), (1, "`duration_ms` is missing"));
    assert_eq!(seen.malformed_reasons["`duration_ms` is missing"], 1);
    assert_eq!(accepted(service.push(saved("10:00:00", "c"), &[]).await, 202).await.duplicates, 1);
    world.clock.set(at("10:15:30"));
    until(async || !world.analyzer.batches().is_empty()).await;
    let intake = world.analyzer.batches()[0].intake.clone();
    assert_eq!((intake.malformed, intake.unknown, intake.unknown_names["autosave.save.complete"]), (2, 3, 3));
    assert!(intake.examples.iter().any(|it| it.meant.as_deref() == Some("autosave.save.completed")));
    service.stop().await;
}

/// CO-9: what was lost, and what cannot be read, is named where people look; the service is ready all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_unreadable_files_are_named() {
    let world = World::new().await;
    let telemetry = world.directory.path().join("telemetry");
    std::fs::create_dir(&telemetry).unwrap();
    std::fs::write(telemetry.join("a.jsonl"), saved("10:00:00", "a") + "half a line").unwrap();
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml"));
    let mut policy = Policy::load(path).unwrap();
    let pattern = telemetry.join("*.jsonl").display().to_string();
    policy.targets.get_mut(&autosave()).unwrap().collection.source =
        Chosen(Arc::new(Jsonl { paths: vec![pattern] }));
    let policy = Arc::new(policy);
    let service = world.start_with(path, Arc::clone(&policy)).await;
    until(async || service.get().await.source.positions.len() == 1).await;
    service.stop().await;

    std::fs::rename(telemetry.join("a.jsonl"), world.directory.path().join("far.jsonl")).unwrap();
    std::fs::write(telemetry.join("b.jsonl"), saved("10:00:00", "b")).unwrap();
    std::os::unix::fs::symlink("c.jsonl", telemetry.join("c.jsonl")).unwrap();
    let service = world.start_with(path, policy).await;
    until(async || !service.get().await.source.lost.is_empty()).await;
    let source = service.get().await.source;
    let name = telemetry.join("a.jsonl").display().to_string();
    assert_eq!((source.lost[0].file.as_str(), source.lost[0].bytes), (name.as_str(), Some(11)));
    assert!(source.positions.iter().all(|position| position.cursor.path != name), "{:?}", source.positions);
    let readiness = service.base.replace("/v1/targets/autosave", "/readyz");
    let ready = async || service.http.get(&readiness).send().await.unwrap();
    let said = async || ready().await.text().await.unwrap();
    let named = format!("autosave: {name} was not read to its end, at least 11 bytes are lost");
    until(async || said().await.contains(&named)).await;
    until(async || said().await.contains("c.jsonl is left out: ")).await;
    assert_eq!(ready().await.status(), 200);
    assert!(service.get().await.source.left_out[0].path.ends_with("c.jsonl"));
    service.stop().await;
}

pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s");
}

/// Bad input gets problem+json and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_refused_with_a_problem() {
    let world = World::new().await;
    let service = world.start().await;
    let other = service.base.replace("autosave", "nobody");
    let put = |url: String, body: &Directive| service.http.put(format!("{url}/directive")).json(body).send();
    assert!(refused(service.http.get(&other).send().await.unwrap(), 404).await.ends_with("not_found"));
    assert!(refused(service.push("[1,", &[]).await, 400).await.ends_with("malformed_json"));
    refused(service.push("x", &[("idempotency-key", "")]).await, 400).await;
    refused(service.push("x", &[("content-encoding", "br")]).await, 415).await;
    refused(service.push(vec![b' '; 9 << 20], &[]).await, 413).await;
    let mut wrong = directive(9, "A", 1);
    wrong.cadence_ms = 0;
    refused(put(service.base.clone(), &wrong).await.unwrap(), 422).await;
    // OP-4: a real one that follows would look old.
    refused(put(service.base.clone(), &directive(u64::MAX, "A", 1)).await.unwrap(), 422).await;
    refused(put(service.base.clone(), &directive(9, "A", u64::MAX >> 1)).await.unwrap(), 422).await;
    // Perhaps of a policy that the reporter has seen first: it tries again.
    refused(put(service.base.clone(), &directive(9, "Z", 1)).await.unwrap(), 503).await;
    let pause = |seconds: u64| {
        let body = serde_json::json!({ "seconds": seconds });
        service.http.post(format!("{}/pause", service.base)).json(&body).send()
    };
    refused(pause(301).await.unwrap(), 422).await;
    let paused: Paused = pause(300).await.unwrap().json().await.unwrap();
    assert_eq!(paused.paused_until, at("10:05:00"));
    let in_force: Directive =
        put(service.base.clone(), &directive(1, "B", 7)).await.unwrap().json().await.unwrap();
    assert_eq!(in_force, directive(1, "A", 1), "an older one changes nothing");
    assert_eq!(service.get().await.current.events, 0);
    service.stop().await;
}
