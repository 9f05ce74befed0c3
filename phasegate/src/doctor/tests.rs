//! Every check beside its fault: three services that answer as they do when all is well, and then one thing wrong at a time,
//! told by the right line and by no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use domain::kinds::Kinds;
use domain::policy::Policy;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use secrecy::SecretString;
use serde_json::{Value, json};
use service_kit::ServiceName;
use service_kit::clock::{Clock as _, SystemClock};
use shared_types::Timestamp;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::api::Api;

const AUTOSAVE: &str = "/v1/rollouts/autosave";
const SERVED: &str = "/v1/rollouts/autosave/served";
const TARGET: &str = "/v1/targets/autosave";
const DECISIONS: &str = "/v1/decisions?target=autosave&limit=1";
const POLICIES: &str = "/v1/policies?limit=1";
const ROLLOUTS: &str = "/v1/rollouts?limit=1000";
const INCIDENTS: &str = "/v1/incidents?state=open&limit=100";
const DEAD: &str = "/v1/effects?state=dead&limit=100";
const READY: &str = "/v1/effects?state=ready&limit=100";

/// What a service answers, by path; where it is not said, 404.
type Answers = BTreeMap<String, (u16, Value)>;

/// Three services and a place.
struct Scene {
    services: BTreeMap<ServiceName, Answers>,
    /// How far each clock is ahead, in seconds.
    ahead: BTreeMap<ServiceName, i64>,
    /// Takes connections and says nothing.
    hangs: Option<ServiceName>,
    dead: Option<ServiceName>,
    place: Place,
    send: bool,
    directory: TempDir,
}

fn ago(seconds: u64) -> Timestamp {
    SystemClock.now().minus(Duration::from_secs(seconds))
}

#[allow(clippy::needless_pass_by_value, reason = "called with what json! makes")]
fn page(items: Value) -> Value {
    json!({ "items": items, "next": null })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn directive(epoch: u64, sequence: u64) -> Value {
    json!({
        "target": "autosave", "phase": "A", "epoch": epoch, "cadence_ms": 900_000, "collect": true, "sequence": sequence,
        "until": null,
    })
}

fn rollout() -> Value {
    json!({
        "target": "autosave", "phase": "A", "epoch": 1, "state": "running",
        "standing": { "severity": "ok", "code": "healthy", "sentence": "within every limit", "action": null },
        "since": ago(7200), "frozen": null, "drift": null, "rollback_waiting": null,
        "automatic_rollbacks": { "started": 0, "allowed": 6, "per_ms": 86_400_000_u64 },
        "transition": null, "incident": null,
        "gate": {
            "epoch": 1, "compliant_batches": 3, "compliant_ms": 2_700_000, "needed_batches": 8, "needed_ms": null,
            "satisfied": false, "broken_by": null, "through": null,
        },
        "approvals": [], "approvals_void": [], "approvals_missing": [], "blockers": [], "directive": directive(1, 4),
    })
}

fn target() -> Value {
    let window = |end| json!({ "start": ago(end + 900), "end": ago(end) });
    let intake = json!({ "malformed": 0, "late": 0, "duplicates": 0, "unknown": 0 });
    let open = json!({ "window": window(0), "phase": "A", "epoch": 1, "events": 41 });
    json!({
        "target": "autosave", "directive": directive(1, 4), "current": open, "intake": intake, "open_windows": [open],
        "lag_ms": 0, "newest_event": ago(3), "paused_until": null,
        "last_batch": {
            "window": window(300), "phase": "A", "epoch": 1, "collected_at": ago(270), "delivered_at": ago(270),
            "attempts": 1, "last_error": null, "intake": intake,
        },
        "source": { "failures": 0, "last_error": null, "next_attempt_at": null, "positions": [] },
    })
}

fn channel(name: &str, state: &str, detail: &str) -> Value {
    json!({
        "channel": name, "by": "slack", "targets": ["autosave"], "state": state, "detail": detail, "receiver": null,
    })
}

impl Scene {
    /// All is well.
    fn well() -> Self {
        let policy = root().join("governance/policy.yaml");
        let version = Policy::load_with(&policy, &Kinds::shipped()).unwrap().version;
        let directory = tempfile::tempdir().unwrap();
        let place = Place { data_dir: directory.path().to_owned(), policy, database_url: None, alerts: None };
        let services = ServiceName::ALL.iter().map(|name| (*name, Answers::new())).collect();
        let mut scene =
            Self { services, ahead: BTreeMap::new(), hangs: None, dead: None, place, send: false, directory };
        let versions = page(json!([
            { "version": version, "texts_version": null, "in_force_from": ago(86_400), "in_force_until": null },
        ]));
        for (name, own) in [
            (ServiceName::Collector, &["outbox", "clock", "sources", "disk"][..]),
            (ServiceName::Analyzer, &["reporter", "disk"]),
            (ServiceName::Reporter, &["audit", "effects", "channels", "disk"]),
        ] {
            let common = ["policy", "database", "tasks", "documents"];
            let checks: Vec<Value> =
                common.iter().chain(own).map(|check| json!({ "name": check, "state": "ok" })).collect();
            scene.says(name, "/readyz", json!({ "ready": true, "checks": checks }));
            scene.says(name, "/healthz", json!("ok"));
            scene.says(name, "/metrics", json!("phasegate_ready 1"));
            scene.says(name, POLICIES, versions.clone());
        }
        scene.says(ServiceName::Collector, TARGET, target());
        scene.says(ServiceName::Analyzer, DECISIONS, page(json!([{ "epoch": 1 }])));
        let reporter = ServiceName::Reporter;
        scene.says(reporter, ROLLOUTS, page(json!([rollout()])));
        scene.says(reporter, AUTOSAVE, rollout());
        scene.says(
            reporter,
            SERVED,
            json!({
                "target": "autosave", "phase": "A", "state": "as_recorded", "detail": null,
            }),
        );
        scene.says(reporter, INCIDENTS, page(json!([])));
        scene.says(reporter, DEAD, page(json!([])));
        scene.says(reporter, READY, page(json!([])));
        scene.says(reporter, "/v1/channels", page(json!([channel("#incident", "ok", "the token is good")])));
        scene.says(reporter, "/v1/channels/test", page(json!([channel("#incident", "ok", "delivered")])));
        scene
    }

    fn says(&mut self, service: ServiceName, path: &str, body: Value) {
        self.answers(service, path, 200, body);
    }

    fn answers(&mut self, service: ServiceName, path: &str, status: u16, body: Value) {
        self.services.get_mut(&service).unwrap().insert(path.to_owned(), (status, body));
    }

    /// Changes what a service says there.
    fn change(&mut self, service: ServiceName, path: &str, change: impl FnOnce(&mut Value)) {
        change(&mut self.services.get_mut(&service).unwrap().get_mut(path).unwrap().1);
    }

    /// A check of `/readyz` that is not in order.
    fn complains(&mut self, service: ServiceName, check: &str, state: &str, detail: &str) {
        self.change(service, "/readyz", |body| {
            body["ready"] = json!(state != "failing");
            let checks = body["checks"].as_array_mut().unwrap();
            checks.retain(|it| it["name"] != check);
            checks.push(json!({ "name": check, "state": state, "detail": detail }));
        });
        if state == "failing" {
            self.services.get_mut(&service).unwrap().get_mut("/readyz").unwrap().0 = 503;
        }
    }

    async fn examined(&self) -> Report {
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut peers = Vec::new();
        for (name, answers) in &self.services {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            if self.hangs == Some(*name) {
                tokio::spawn(async move {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.read_to_end(&mut Vec::new()).await.ok();
                });
            } else if self.dead != Some(*name) {
                let ahead = self.ahead.get(name).copied().unwrap_or_default();
                let state = Arc::new((answers.clone(), ahead));
                let router = Router::new().fallback(answer).with_state(state);
                tokio::spawn(async move { axum::serve(listener, router).await });
            }
            peers.push(Peer::new(*name, Api::new(url.parse().unwrap(), None).unwrap()));
        }
        let peers: [Peer; 3] = peers.try_into().unwrap_or_else(|_| unreachable!("there are three"));
        let send = self.send.then(|| json!({ "by": "ana" }));
        let ask = Ask::new(peers, self.place.clone(), &Kinds::shipped(), send);
        examine(&ask, |_| true, Duration::from_secs(4)).await
    }

    /// The problems of one check; every other is in order.
    async fn only(&self, check: &str) -> Vec<Problem> {
        let report = self.examined().await;
        for finding in &report.checks {
            assert_eq!(finding.level == Level::Ok, finding.check != check, "{}", text(&report));
        }
        report.checks.into_iter().find(|it| it.check == check).unwrap().problems
    }

    /// The one problem there is, found by its check.
    async fn tells(&self, check: &str, level: Level, words: &str) {
        let problems = self.only(check).await;
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert_eq!(problem.level, level, "{problem:?}");
        assert!(problem.said.contains(words), "{problem:?}");
        assert!(problem.remedy.len() > 20, "{problem:?}");
    }
}

type Told = (Answers, i64);

async fn answer(State(told): State<Arc<Told>>, request: Request<Body>) -> Response<Body> {
    let (answers, ahead) = &*told;
    let path = request.uri().path_and_query().unwrap().as_str();
    let (status, body) = answers.get(path).cloned().unwrap_or((404, json!({})));
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    let now = SystemClock.now().as_millis() / 1000 + ahead;
    let date = jiff::Timestamp::from_second(now).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Response::builder().status(status).header("date", date).body(Body::from(body)).unwrap()
}

/// OP-1: what all is well looks like, and that a check says what it counted.
#[tokio::test]
async fn all_is_well() {
    let report = Scene::well().examined().await;
    let text = text(&report);
    assert_eq!(report.level, Level::Ok, "{text}");
    assert_eq!(report.checks.len(), CHECKS.len());
    assert!(text.starts_with("phasegate doctor, ") && text.contains("all is well, 15 checks"), "{text}");
    assert!(
        text.contains("ok           telemetry     1 of 1 target measured, last batch at most 5m old"),
        "{text}"
    );
    let markdown = markdown(&report);
    assert!(
        markdown.contains("| flags | flag systems serve what is on record | ok | 1 of 1 target as on record"),
        "{markdown}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["level"], "ok");
    assert_eq!(json["checks"][0]["check"], "services");
}

#[test]
fn checks_have_names_of_their_own_and_are_listed_in_the_help() {
    let mut names: Vec<&str> = CHECKS.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
    let help = include_str!("../command/doctor.rs");
    let list = help.split("The checks: ").nth(1).unwrap().split('.').next().unwrap().replace('\n', " ");
    let listed: Vec<&str> = list.split(", ").map(str::trim).collect();
    assert_eq!(listed, CHECKS.map(|it| it.name));
}

/// OP-1
#[tokio::test]
async fn a_store_that_takes_no_writes_is_told() {
    let mut scene = Scene::well();
    scene.complains(
        ServiceName::Analyzer,
        "database",
        "failing",
        "it takes no writes: read-only transaction",
    );
    let report = scene.examined().await;
    let of = |check| report.checks.iter().find(|it| it.check == check).unwrap();
    assert_eq!(of("stores").level, Level::Failed);
    assert_eq!(of("stores").problems[0].said, "analyzer: it takes no writes: read-only transaction");
    assert_eq!(of("stores").figure, "2 of 3 have just stored something");
    assert_eq!(of("services").figure, "only 2 of the three: collector and reporter");
}

/// A neighbour that hangs holds up no check but those that need it, and these not for ever.
#[tokio::test]
async fn a_dead_or_hanging_service_is_told_and_the_others_are_looked_at_all_the_same() {
    for hangs in [false, true] {
        let mut scene = Scene::well();
        let analyzer = Some(ServiceName::Analyzer);
        (scene.hangs, scene.dead) = if hangs { (analyzer, None) } else { (None, analyzer) };
        let begun = std::time::Instant::now();
        let report = scene.examined().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let level = |check| report.checks.iter().find(|it| it.check == check).unwrap().level;
        assert_eq!(level("services"), Level::Failed, "{}", text(&report));
        for check in ["rollouts", "incidents", "flags", "channels", "sources", "telemetry"] {
            assert_eq!(level(check), Level::Ok, "{check}: {}", text(&report));
        }
    }
}

/// Of a service that does not answer its store is looked at from here.
#[tokio::test]
async fn what_can_be_seen_without_a_service_is_said() {
    let mut scene = Scene::well();
    scene.dead = Some(ServiceName::Analyzer);
    std::fs::write(scene.directory.path().join("analyzer.sqlite"), [0; 4096]).unwrap();
    let stores =
        |report: &Report| report.checks.iter().find(|it| it.check == "stores").unwrap().problems[0].clone();
    let found = stores(&scene.examined().await);
    assert_eq!(found.level, Level::NotChecked);
    assert!(found.said.ends_with("analyzer.sqlite is there, 4 KiB"), "{found:?}");
    scene.place.database_url = Some(SecretString::from("postgres://u:hunter2@db/p?ssl_mode=verify-full"));
    let found = stores(&scene.examined().await);
    assert_eq!(found.level, Level::Failed);
    assert!(found.said.contains("is `sslmode` meant?") && !found.said.contains("hunter2"), "{found:?}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_told_by_name() {
    let mut scene = Scene::well();
    let refused = json!({
        "type": "urn:phasegate:problem:unauthorized", "title": "Unauthorized", "status": 401, "detail": "no such token",
    });
    scene.answers(ServiceName::Collector, POLICIES, 401, refused);
    let report = scene.examined().await;
    let services = &report.checks[0];
    assert!(
        services.problems[0].said.contains("no such token")
            && services.problems[0].remedy.contains("--token")
    );
}

#[tokio::test]
async fn a_task_or_an_archive_that_complains_is_told() {
    let mut scene = Scene::well();
    scene.complains(ServiceName::Reporter, "audit", "degraded", "autosave: row 3 edited");
    scene.tells("services", Level::Warning, "reporter: audit: autosave: row 3 edited").await;
}

#[tokio::test]
async fn a_disk_that_fills_up_is_told() {
    let mut scene = Scene::well();
    scene.complains(
        ServiceName::Collector,
        "disk",
        "degraded",
        "200 MiB of 40 GiB free where /data is: make room",
    );
    scene.tells("disk", Level::Failed, "collector: 200 MiB of 40 GiB free").await;
}

/// OP-5
#[tokio::test]
async fn clocks_that_disagree_are_told() {
    let mut scene = Scene::well();
    scene.ahead.insert(ServiceName::Collector, 31 * 60 + 30);
    scene.tells("clocks", Level::Failed, "the clock of the collector is 31m ahead of the others'").await;
    let mut scene = Scene::well();
    scene.ahead.insert(ServiceName::Analyzer, -12);
    scene.tells("clocks", Level::Warning, "s behind the others'").await;
    let mut scene = Scene::well();
    scene.complains(ServiceName::Collector, "clock", "degraded", "it is 5m ahead of the analyzer's");
    scene.tells("clocks", Level::Failed, "it is 5m ahead").await;
}

#[tokio::test]
async fn a_policy_that_is_refused_or_is_another_one_is_told() {
    let mut scene = Scene::well();
    scene.complains(ServiceName::Reporter, "policy", "degraded", "policy.yaml:3: expected a number");
    scene.tells("policy", Level::Failed, "reporter: policy.yaml:3").await;
    let mut scene = Scene::well();
    scene.place.policy = scene.directory.path().join("policy.yaml");
    std::fs::write(&scene.place.policy, "targets: 3").unwrap();
    scene.tells("policy", Level::Failed, "policy.yaml").await;
    let text = std::fs::read_to_string(root().join("governance/policy.yaml")).unwrap();
    std::fs::write(&scene.place.policy, format!("{text}\n# changed")).unwrap();
    let problems = scene.only("policy").await;
    assert!(
        problems[0].level == Level::Warning && problems[0].said.contains("in force is sha256:"),
        "{problems:?}"
    );
}

/// OP-3: the same policy, the same sequence, and nobody ahead of the reporter.
#[tokio::test]
async fn services_of_two_minds_are_told() {
    let mut scene = Scene::well();
    scene.change(ServiceName::Analyzer, POLICIES, |it| {
        it["items"][0]["version"] = json!("sha256:0123456789abcdef");
    });
    scene.tells("neighbours", Level::Failed, "analyzer sha256:0123456789ab").await;
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| it["directive"] = directive(2, 9));
    scene.tells("neighbours", Level::Failed, "the collector goes by A epoch 2 sequence 9").await;
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| it["directive"] = Value::Null);
    scene.tells("neighbours", Level::Failed, "the collector has no directive").await;
    let mut scene = Scene::well();
    scene.says(ServiceName::Analyzer, DECISIONS, page(json!([{ "epoch": 7 }])));
    scene.tells("neighbours", Level::Failed, "the analyzer decided on epoch 7, the reporter is at 1").await;
}

#[tokio::test]
async fn a_target_that_is_not_as_it_should_be_is_told_in_the_reporter_s_words() {
    let mut scene = Scene::well();
    scene.change(ServiceName::Reporter, ROLLOUTS, |it| {
        it["items"][0]["standing"] = json!({
            "severity": "critical", "code": "rollback_failed", "sentence": "the rollback failed for good",
            "action": "phasegate rollback --target autosave --phase A", "who": ["sre"],
        });
    });
    let problems = scene.only("rollouts").await;
    assert_eq!(problems[0].said, "autosave: the rollback failed for good");
    assert_eq!(problems[0].remedy, "phasegate rollback --target autosave --phase A");
}

#[tokio::test]
async fn an_incident_that_nobody_took_on_is_told() {
    let incident = |acknowledged: Value, by: Timestamp| {
        json!({
            "id": "INC-20261122-001", "target": "autosave", "priority": "P2", "opened_at": ago(880),
            "acknowledged_at": acknowledged, "acknowledge_by": by,
        })
    };
    for (by, level) in
        [(ago(10), Level::Failed), (SystemClock.now().plus(Duration::from_secs(600)), Level::Warning)]
    {
        let mut scene = Scene::well();
        scene.says(ServiceName::Reporter, INCIDENTS, page(json!([incident(Value::Null, by)])));
        scene.tells("incidents", level, "INC-20261122-001 of autosave, P2, open since").await;
    }
    let mut scene = Scene::well();
    scene.says(ServiceName::Reporter, INCIDENTS, page(json!([incident(json!(ago(60)), ago(10))])));
    let report = scene.examined().await;
    assert_eq!(report.level, Level::Ok, "{}", text(&report));
}

/// RB-11
#[tokio::test]
async fn a_flag_that_somebody_moved_is_told_also_to_who_may_not_have_it_read() {
    let mut scene = Scene::well();
    scene.change(ServiceName::Reporter, SERVED, |it| {
        (it["state"], it["detail"]) = (json!("other"), json!("50 %"));
    });
    scene.tells("flags", Level::Failed, "phase A is on record, 50 % is served").await;
    scene.change(ServiceName::Reporter, SERVED, |it| {
        (it["state"], it["detail"]) = (json!("unread"), json!("exit 3"));
    });
    scene.tells("flags", Level::Failed, "its flag system cannot be read: exit 3").await;
    let refused =
        json!({ "type": "about:blank", "title": "Forbidden", "status": 403, "detail": "you may not" });
    scene.answers(ServiceName::Reporter, SERVED, 403, refused);
    scene.tells("flags", Level::NotChecked, "this token may not").await;
    scene.change(ServiceName::Reporter, ROLLOUTS, |it| {
        it["items"][0]["drift"] = json!({ "served": "C", "since": ago(60), "upward": true });
    });
    let problems = scene.only("flags").await;
    assert!(problems[0].level == Level::Failed && problems[0].said.contains("C is served"), "{problems:?}");
}

/// NO-7
#[tokio::test]
async fn what_was_given_up_or_is_stuck_is_told() {
    let effect = |due| {
        json!({
            "id": "e-1", "kind": "TriggerPage", "lane": "pagerduty/autosave", "due_at": due, "last_error": "403 no",
        })
    };
    let mut scene = Scene::well();
    scene.says(ServiceName::Reporter, DEAD, page(json!([effect(ago(5))])));
    scene.tells("effects", Level::Failed, "TriggerPage to pagerduty/autosave was given up: 403 no").await;
    let mut scene = Scene::well();
    scene.says(ServiceName::Reporter, READY, page(json!([effect(ago(900)), effect(ago(2))])));
    scene.tells("effects", Level::Failed, "has been due for 15m").await;
    let mut scene = Scene::well();
    scene.complains(ServiceName::Analyzer, "reporter", "degraded", "reporter: refused");
    scene.tells("effects", Level::Warning, "analyzer: reporter: refused").await;
}

/// NO-7
#[tokio::test]
async fn a_channel_that_cannot_deliver_is_told_and_with_send_it_is_tried() {
    let failing = page(json!([
        channel("#incident", "failing", "200 invalid_auth"),
        channel("#rollout", "ok", "the token is good"),
    ]));
    let mut scene = Scene::well();
    scene.says(ServiceName::Reporter, "/v1/channels", failing.clone());
    scene.tells("channels", Level::Failed, "#incident (slack): 200 invalid_auth").await;
    scene.says(
        ServiceName::Reporter,
        "/v1/channels",
        page(json!([channel("log", "warning", "not configured")])),
    );
    scene.tells("channels", Level::Warning, "log (slack): not configured").await;
    scene.send = true;
    let sent = scene.examined().await;
    assert_eq!(sent.level, Level::Ok, "what comes of a message counts: {}", text(&sent));
    scene.says(ServiceName::Reporter, "/v1/channels/test", failing);
    scene.tells("channels", Level::Failed, "#incident (slack): 200 invalid_auth").await;
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_told() {
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| {
        it["source"]["failures"] = json!(4);
        it["source"]["last_error"] = json!("permission denied");
    });
    scene.tells("sources", Level::Failed, "autosave: 4 failures in a row: permission denied").await;
}

/// TE-6
#[tokio::test]
async fn telemetry_that_is_silent_late_or_cannot_be_counted_is_told() {
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| it["newest_event"] = json!(ago(4000)));
    scene.tells("telemetry", Level::Warning, "no event for two windows").await;
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| {
        it["last_batch"]["window"] = json!({ "start": ago(4900), "end": ago(4000) });
    });
    scene.tells("telemetry", Level::Failed, "autosave: no batch for 1h 6m").await;
    let mut scene = Scene::well();
    scene.change(ServiceName::Collector, TARGET, |it| {
        it["intake"] = json!({
            "malformed": 0, "late": 0, "duplicates": 0, "unknown": 7, "unknown_names": { "autosave.saved": 7 },
            "examples": [{ "kind": "unknown", "what": "autosave.saved", "line": 3, "meant": "autosave.save.completed" }],
        });
    });
    scene
        .tells("telemetry", Level::Warning, "7 events of unknown names, mostly autosave.saved; line 3")
        .await;
}

#[tokio::test]
async fn a_rule_that_can_never_fire_is_told() {
    let mut scene = Scene::well();
    let rules = scene.directory.path().join("rules.yaml");
    scene.place.alerts = Some(rules.clone());
    let rule =
        |expr: &str| format!("groups:\n  - name: g\n    rules:\n      - alert: Mine\n        expr: {expr}\n");
    std::fs::write(&rules, rule("sum(phasegate_outbox_ded) > 0")).unwrap();
    scene.tells("alerts", Level::Failed, "Mine asks for phasegate_outbox_ded, which no service has").await;
    std::fs::write(&rules, "groups: [").unwrap();
    scene.tells("alerts", Level::Failed, "rules.yaml").await;
    std::fs::write(
        &rules,
        rule("histogram_quantile(0.9, rate(phasegate_decision_latency_seconds_bucket[5m])) > 1"),
    )
    .unwrap();
    assert_eq!(scene.examined().await.level, Level::Ok, "not there yet, and known");
}

/// A server that shows a certificate which ends then; where it listens.
async fn shows(end: Timestamp) -> u16 {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_millis(end.as_millis().unsigned_abs());
    let certificate = params.self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        // Kept, so that none is closed under its handshake.
        let held = Mutex::new(Vec::new());
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                held.lock().unwrap().push(stream);
            }
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_that_ended_or_ends_soon_is_told() {
    let soon = SystemClock.now().plus(Duration::from_secs(5 * 86_400 - 60));
    let parsed = |text: &str| Timestamp::parse(text).unwrap();
    for (end, level, words) in [
        (parsed("2021-02-03T00:00:00Z"), Level::Failed, "ended at 2021-02-03T00:00:00"),
        (soon, Level::Warning, "ends in 4 days, at "),
    ] {
        let port = shows(end).await;
        let mut scene = Scene::well();
        scene.change(ServiceName::Reporter, "/v1/channels", |it| {
            it["items"][0]["receiver"] = json!(format!("https://127.0.0.1:{port}"));
        });
        scene.tells("certificates", level, words).await;
    }
    let port = shows(parsed("2100-01-01T00:00:00Z")).await;
    let mut scene = Scene::well();
    scene.change(ServiceName::Reporter, "/v1/channels", |it| {
        it["items"][0]["receiver"] = json!(format!("https://127.0.0.1:{port}"));
    });
    let report = scene.examined().await;
    assert_eq!(report.level, Level::Ok, "{}", text(&report));
    let certificates = report.checks.last().unwrap();
    assert_eq!(certificates.figure, "1 seen, the first ends at 2100-01-01T00:00:00.000Z");
}
