//! A Phasegate that somebody else composed: with one kind more of each seam, from this test alone. All of it works with them:
//! the policy's file and its kept versions, the three services and what they do after a restart, and the command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod kinds;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Command;
use domain::policy::Policy;
use phasegate::Product;
use phasegate_tests::wait;
use reqwest::Url;
use serde_json::{Value, json};
use service_kit::clock::SystemClock;
use service_kit::config::HttpArgs;
use service_kit::db::SchemaName;
use service_kit::{CommonConfig, ServiceName};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use kinds::{CARRIED, NOTCHES, SAVES, product};

const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// PH-6, PO-1, PO-2, RB-1, RB-9, NO-5, SLO-10, GO-4: a rollout under a policy that only this composition can read, to the
/// rollback of a violation; over a change of the policy and a restart; explained, recomputed, tried again and verified.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_composed_phasegate_works_whole_with_kinds_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let policy = write_policy(root.path(), "policy.yaml", |text| text);
    assert!(ends(&product(), &["policy", "check", &policy], DONE));
    assert!(ends(&Product::shipped(), &["policy", "check", &policy], REFUSED), "nobody else knows them");

    let running = Running::start(root.path()).await;
    running.act("/v1/rollouts/autosave/start", &json!({ "by": "ana" })).await;
    running.until_phase("A", "running").await;
    running.promote_when_ripe().await;
    running.until_phase("B", "running").await;
    assert_eq!(*NOTCHES.lock().unwrap(), [1.0, 6.0], "5 % and 30 % of 20 notches");
    let first = running.until_decided("B", None).await;

    // Another version is taken over, and both are there after a restart.
    let before = write_policy(root.path(), "before.yaml", |text| text);
    write_policy(root.path(), "policy.yaml", |text| text.replace("saves: 50", "saves: 55"));
    running.until_versions(2).await;
    running.stop().await;
    let running = Running::start(root.path()).await;
    running.until_versions(2).await;
    running.until_decided("B", Some(&first)).await;

    SAVES.store(5, Ordering::SeqCst);
    running.until_phase("A", "incident").await;
    SAVES.store(100, Ordering::SeqCst);
    running.until_phase("A", "running").await;
    assert_eq!(*NOTCHES.lock().unwrap(), [1.0, 6.0, 1.0], "absolute, once, by the lever");
    let incidents = running.get("reporter", "/v1/incidents").await.unwrap();
    let [incident] = incidents["items"].as_array().unwrap().as_slice() else { panic!("{incidents}") };
    assert_eq!(
        (&incident["state"], &incident["rollback"]["state"]),
        (&json!("recovered"), &json!("succeeded"))
    );
    let id = incident["id"].as_str().unwrap();
    let incident = running.get("reporter", &format!("/v1/incidents/{id}")).await.unwrap();
    assert!(incident.to_string().contains("big to notch 1"), "{incident}");
    let carried = CARRIED.lock().unwrap().clone();
    assert_eq!(carried.len(), 2, "the incident and the rollback: {carried:?}");
    assert!(carried.iter().all(|it| (it.0.as_str(), it.1.as_str()) == ("R7", "roof")), "{carried:?}");
    assert!(carried[0].2.contains("SAVES"), "rendered by its own kind: {carried:?}");

    let [analyzer, reporter] =
        ["analyzer", "reporter"].map(|name| format!("--{name}-url={}", running.url(name)));
    let decisions = running.get("analyzer", "/v1/decisions?target=autosave&limit=500").await.unwrap();
    let decisions = decisions["items"].as_array().unwrap();
    let metrics =
        |it: &Value| it["metrics"][0]["metric"] == "saves" && it["metrics"][0]["direction"] == "at_least";
    assert!(decisions.iter().all(metrics), "{decisions:#?}");
    let oldest = decisions.last().unwrap();
    let violated = decisions.iter().find(|it| it["verdict"] == "violation").unwrap();
    assert_ne!(oldest["policy_version"], violated["policy_version"], "one by each version");
    for decision in [oldest, violated] {
        let id = decision["decision_id"].as_str().unwrap();
        assert!(ends(&product(), &["explain", id, &analyzer], DONE), "{decision}");
    }
    let tried = ["backtest", "--policy", &before, "--against", &policy, "--last", "1h", &analyzer];
    assert!(ends(&product(), &tried, DONE), "both versions say the same of what was");
    let versions = [&violated["policy_version"], &oldest["policy_version"]].map(|it| it.as_str().unwrap());
    let differ = ["policy", "diff", versions[0], versions[1], &analyzer, &reporter];
    assert!(ends(&product(), &differ, REFUSED), "they differ");
    let data = format!("--data-dir={}", root.path().join("data").display());
    let checked =
        ["verify", "--target=autosave", "--last=1h", "--policy", &policy, &data, &analyzer, &reporter];
    // It counts again by formulas of its own, and has none for a kind that it does not know.
    let checked = [&checked[..], &["--skip", "dashboard"]].concat();
    assert!(ends(&product(), &checked, DONE));

    let bundle = root.path().join("bundle.jsonl").display().to_string();
    assert!(ends(&product(), &["audit", "export", "--output", &bundle, &analyzer, &reporter], DONE));
    running.stop().await;
    assert!(ends(&product(), &["audit", "verify", "--bundle", &bundle], DONE), "without any service");
    assert!(ends(&Product::shipped(), &["audit", "verify", "--bundle", &bundle], REFUSED));
}

/// A policy's file below `root`; its path.
fn write_policy(root: &Path, name: &str, change: impl Fn(String) -> String) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let templates = repository.join("templates/alerts").display().to_string();
    let text = include_str!("../../fixtures/policy.own-kinds.yaml").replace("@TEMPLATES@", &templates);
    // As an editor does: nobody reads half of it.
    let (path, beside) = (root.join(name), root.join(format!(".{name}")));
    std::fs::write(&beside, change(text)).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    path.display().to_string()
}

/// Whether the command line of that product ends with that status.
fn ends(product: &Product, arguments: &[&str], status: u8) -> bool {
    let product = product.clone();
    let arguments: Vec<OsString> =
        std::iter::once(&"phasegate").chain(arguments).map(OsString::from).collect();
    let ended = std::thread::spawn(move || phasegate::run(&product, arguments)).join().unwrap();
    format!("{ended:?}") == format!("{:?}", ExitCode::from(status))
}

/// The three services in this process.
struct Running {
    urls: [(&'static str, Url); 3],
    http: reqwest::Client,
    stop: CancellationToken,
    services: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Running {
    async fn start(root: &Path) -> Self {
        service_kit::client::install_crypto();
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.push(format!("http://{}", listener.local_addr().unwrap()).parse::<Url>().unwrap());
            listeners.push(listener);
        }
        let [collector_url, analyzer_url, reporter_url] = <[Url; 3]>::try_from(bound).unwrap();
        let urls = [
            ("collector", collector_url.clone()),
            ("analyzer", analyzer_url.clone()),
            ("reporter", reporter_url.clone()),
        ];
        let policy_path: PathBuf = root.join("policy.yaml");
        let common = CommonConfig {
            service: ServiceName::Collector,
            database_url: None,
            database_schema: SchemaName::default(),
            database_connections: None,
            database_wait: Duration::ZERO,
            http: HttpArgs::default(),
            services_here: 1,
            data_dir: root.join("data"),
            policy: Arc::new(Policy::load_with(&policy_path, product().kinds()).unwrap()),
            policy_path,
            collector_url,
            analyzer_url,
            reporter_url,
            tokens: None,
            service_token: None,
            clock: Arc::new(SystemClock),
        };
        let of = product();
        let command = of.arguments(Command::new("composed"));
        let told = command.try_get_matches_from(["composed", "--pigeon-ring=R7"]).unwrap();
        let stop = CancellationToken::new();
        let [collector, analyzer, reporter] = <[TcpListener; 3]>::try_from(listeners).unwrap();
        let services = vec![
            tokio::spawn(collector_svc::run(of.collector(&common), collector, stop.clone())),
            tokio::spawn(analyzer_svc::run(of.analyzer(&common), analyzer, stop.clone())),
            tokio::spawn(reporter_svc::run(of.reporter(&told, &common).unwrap(), reporter, stop.clone())),
        ];
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { urls, http, stop, services }
    }

    async fn stop(self) {
        self.stop.cancel();
        for service in self.services {
            service.await.unwrap().unwrap();
        }
    }

    fn url(&self, service: &str) -> Url {
        self.urls.iter().find(|it| it.0 == service).unwrap().1.clone()
    }

    async fn get(&self, service: &str, path: &str) -> Result<Value, String> {
        let answer = self.http.get(self.url(service).join(path).unwrap()).send().await;
        let answer =
            answer.and_then(reqwest::Response::error_for_status).map_err(|error| error.to_string())?;
        answer.json().await.map_err(|error| error.to_string())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(), String> {
        let answer = self.http.post(self.url("reporter").join(path).unwrap()).json(body).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {said}")) }
    }

    async fn act(&self, path: &str, body: &Value) {
        self.post(path, body).await.unwrap();
    }

    async fn promote_when_ripe(&self) {
        let body = json!({ "by": "ana" });
        wait::until("the gate to open", || self.post("/v1/rollouts/autosave/promotions", &body)).await;
    }

    async fn until_phase(&self, phase: &str, state: &str) {
        wait::until(&format!("phase {phase}, {state}"), || async {
            let rollout = self.get("reporter", "/v1/rollouts/autosave").await?;
            let done = matches!(rollout["transition"]["state"].as_str(), None | Some("succeeded"));
            let reached = rollout["phase"] == phase && rollout["state"] == state && done;
            if reached { Ok(()) } else { Err(rollout.to_string()) }
        })
        .await;
    }

    /// Until a window of that phase was decided on, by another version of the policy than that; by which.
    async fn until_decided(&self, phase: &str, but_by: Option<&str>) -> String {
        wait::until(&format!("a decision in {phase}"), || async {
            let page = self.get("analyzer", "/v1/decisions?target=autosave&limit=1").await?;
            let newest = &page["items"][0];
            let version = newest["policy_version"].as_str().unwrap_or_default();
            let decided = newest["phase"] == phase && but_by != Some(version);
            if decided { Ok(version.to_owned()) } else { Err(page.to_string()) }
        })
        .await
    }

    /// Until every service has taken so many versions of the policy over.
    async fn until_versions(&self, count: usize) {
        for (service, _) in &self.urls {
            wait::until(&format!("{count} versions at the {service}"), || async {
                let page = self.get(service, "/v1/policies").await?;
                let there = page["items"].as_array().map(Vec::len);
                if there == Some(count) { Ok(()) } else { Err(page.to_string()) }
            })
            .await;
        }
    }
}
