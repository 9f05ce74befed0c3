//! The HTTP side, through the whole stack of layers.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::rollout::Event;
use reporter_svc::executors::Executors;
use reporter_svc::executors::command::{CommandExecutor, Environment};
use reporter_svc::store::MIGRATIONS;
use serde_json::{Value, json};
use service_kit::db::{Boundary, Db, DbError, Probe};
use service_kit::supervisor::Supervisor;
use shared_types::decision::ViolationAction;
use shared_types::{TargetName, Timestamp, Verdict};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::rig::{Rig, autosave, minutes, policy};

pub(crate) async fn call(app: &Router, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    call_with(app, method, path, body, &[]).await
}

pub(crate) async fn call_with(
    app: &Router,
    method: &str,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    let response = app.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A rollout in B, and a decision that it is to be rolled back from there.
async fn a_violation_in_b() -> (Rig, Router, Value) {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    let body = serde_json::to_value(&decision).unwrap();
    (rig, app, body)
}

/// The same of a target that there is not.
fn of_nobody(decision: &Value) -> Value {
    let mut strange = decision.clone();
    strange["target"] = json!("nobody");
    strange["decision_id"] = json!(uuid::Uuid::now_v7());
    strange
}

/// DE-5: 202 the first time, 200 with the same body after that.
#[tokio::test]
async fn a_decision_is_accepted_once_and_recognised_after_that() {
    let (_rig, app, body) = a_violation_in_b().await;
    let (first, answer) = call(&app, "POST", "/v1/decisions", Some(body.clone())).await;
    assert_eq!(first, StatusCode::ACCEPTED);
    assert_eq!(answer["incident"], "INC-20261122-001");
    let (second, again) = call(&app, "POST", "/v1/decisions", Some(body.clone())).await;
    assert_eq!((second, again), (StatusCode::OK, answer));
    let strange = of_nobody(&body);
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(strange)).await.0, StatusCode::NOT_FOUND);
    let mut wrong = body;
    wrong["schema"] = json!("phasegate.decision/9");
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(wrong)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

/// DE-5 Together as alone: each has the answer that it would have had, and what one causes is there when all are answered.
#[tokio::test]
async fn decisions_that_come_together_are_answered_one_by_one() {
    let (_rig, app, body) = a_violation_in_b().await;
    let strange = of_nobody(&body);
    let bulk = json!({ "items": [{ "item": strange }, { "item": body }, { "item": body }] });
    let (status, all) = call(&app, "POST", "/v1/decisions/bulk", Some(bulk)).await;
    assert_eq!(status, StatusCode::OK);
    let statuses: Vec<&Value> = all["answers"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [404, 202, 200]);
    assert_eq!(all["answers"][1]["body"]["incident"], "INC-20261122-001");
    assert_eq!(all["answers"][2]["body"], all["answers"][1]["body"]);
}

/// SLO-9, OP-4: what says something else under a known id is no repeat.
#[tokio::test]
async fn another_decision_under_a_known_id_is_refused() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Ok, None).await;
    let body = serde_json::to_value(&decision).unwrap();
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(body.clone())).await.0, StatusCode::ACCEPTED);
    for (field, other) in [
        ("verdict", json!("violation")),
        ("rollback_required", json!(true)),
        ("epoch", json!(1)),
        ("decided_at", json!("2026-11-22T10:00:00.000Z")),
    ] {
        let mut body = body.clone();
        body[field] = other;
        for _ in 0..2 {
            let (status, problem) = call(&app, "POST", "/v1/decisions", Some(body.clone())).await;
            assert_eq!(status, StatusCode::CONFLICT, "{field}: {problem}");
            assert_eq!(problem["type"], "urn:phasegate:problem:decision_differs");
        }
    }
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(body)).await.0, StatusCode::OK);
    assert_eq!(refused(&app).await.len(), 4, "each once, however often it is sent");
}

/// OP-4: a log that nothing is ever taken out of is not filled by whoever sends what cannot be so, again and again.
#[tokio::test]
async fn refused_decisions_are_audited_bounded() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Ok, None).await;
    let send = async || {
        let mut body = serde_json::to_value(&decision).unwrap();
        body["decision_id"] = json!(uuid::Uuid::now_v7());
        body["epoch"] = json!(decision.epoch + 1001);
        assert_eq!(call(&app, "POST", "/v1/decisions", Some(body)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    };
    for _ in 0..120 {
        send().await;
    }
    assert_eq!(refused(&app).await.len(), 100);
    rig.clock.advance(minutes(24 * 60));
    send().await;
    assert_eq!(refused(&app).await.len(), 101, "the next day's");
}

async fn refused(app: &Router) -> Vec<Value> {
    let (_, page) = call(app, "GET", "/v1/audit?action=decision.refused&limit=1000", None).await;
    page["items"].as_array().unwrap().clone()
}

/// OP-4: an epoch that has not begun, a window that has not ended and one of more than a day are refused and audited; the
/// rollout goes on by what is so.
#[tokio::test]
async fn a_decision_that_cannot_be_so_is_refused_and_audited() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Ok, None).await;
    let honest = serde_json::to_value(&decision).unwrap();
    let (start, end) = (decision.window.start, decision.window.end);
    let window = |start: Timestamp, end: Timestamp| json!({ "start": start, "end": end });
    for (field, value, reason) in [
        ("epoch", json!(u64::MAX >> 1), "field `epoch`: 9223372036854775807 is beyond 2"),
        ("epoch", json!(u64::MAX), "field `epoch`"),
        ("epoch", json!(decision.epoch + 1001), "field `epoch`: 1003 is beyond 2"),
        ("window", window(start, end.plus(minutes(90))), "is still to come"),
        ("window", window(end.minus(minutes(24 * 60 + 1)), end), "longer than 24 h"),
    ] {
        let mut body = honest.clone();
        body["decision_id"] = json!(uuid::Uuid::now_v7());
        body[field] = value;
        let (status, problem) = call(&app, "POST", "/v1/decisions", Some(body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    assert_eq!(refused(&app).await.len(), 5);
    // A clock that is ahead within the grace, and a decision of an epoch that is over, are nothing strange.
    let mut skewed = honest.clone();
    skewed["decision_id"] = json!(uuid::Uuid::now_v7());
    skewed["window"] = window(start, end.plus(minutes(31)));
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(skewed)).await.0, StatusCode::ACCEPTED);
    assert_eq!(call(&app, "POST", "/v1/decisions", Some(honest)).await.0, StatusCode::ACCEPTED);
}

/// OP-7: what the shipped alert rules count is there at 0 before it happens for the first time.
#[tokio::test]
async fn counters_are_there_before_they_count() {
    service_kit::telemetry::metrics::install();
    reporter_svc::counters::begin(["never-moved".parse().unwrap()].iter());
    let text = service_kit::telemetry::metrics::render(service_kit::ServiceName::Reporter);
    for kind in ["promote", "rollback"] {
        for outcome in ["succeeded", "skipped", "retrying", "failed"] {
            let line = format!(
                "phasegate_transitions_total{{target=\"never-moved\",kind=\"{kind}\",outcome=\"{outcome}\"}} 0"
            );
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
    assert!(text.contains("phasegate_refused_decisions_total{target=\"never-moved\"} 0"), "{text}");
}

/// PH-5: the refusal names everything that is missing.
#[tokio::test]
async fn a_refused_promotion_lists_what_is_missing() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    let promotions = "/v1/rollouts/autosave/promotions";
    let (status, problem) = call(&app, "POST", promotions, Some(json!({}))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["blockers"][0]["code"], "not_started");
    let (_, rollout) = call(&app, "GET", "/v1/rollouts/autosave", None).await;
    assert_eq!(rollout["blockers"], problem["blockers"]);
    rig.event(Event::Start { by: "ana".into(), obstacles: Vec::new() }).await;
    let (_, rollout) = call(&app, "GET", "/v1/rollouts/autosave", None).await;
    let codes: Vec<_> = rollout["blockers"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["transition_running"], "it was started");
    rig.work().await;
    let (status, problem) = call(&app, "POST", promotions, Some(json!({ "by": "ana" }))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["type"], "urn:phasegate:problem:blocked");
    assert_eq!(problem["blockers"][0]["code"], "gate_unsatisfied");
    let (_, rollout) = call(&app, "GET", "/v1/rollouts/autosave", None).await;
    assert_eq!(rollout["blockers"], problem["blockers"]);
    assert_eq!((&rollout["phase"], &rollout["state"]), (&json!("A"), &json!("running")));
}

/// RB-7: refused when the phase is not the current one; a repeat under the same key answers the same.
#[tokio::test]
async fn a_manual_rollback_is_refused_in_another_phase_and_repeatable_under_its_key() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    let path = "/v1/rollouts/autosave/rollbacks";
    let (status, problem) =
        call(&app, "POST", path, Some(json!({ "phase": "C", "reason": "complaints" }))).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:phasegate:problem:wrong_phase"))
    );
    let body = json!({ "phase": "B", "reason": "complaints", "by": "ben" });
    let key = [("idempotency-key", "k1")];
    let (first, answer) = call_with(&app, "POST", path, Some(body.clone()), &key).await;
    assert_eq!(first, StatusCode::ACCEPTED);
    assert_eq!(answer["transition"]["to"], "A");
    rig.work().await;
    let (second, again) = call_with(&app, "POST", path, Some(body), &key).await;
    assert_eq!((second, again), (StatusCode::OK, answer));
    let other = json!({ "phase": "A", "reason": "complaints", "by": "ben" });
    assert_eq!(call_with(&app, "POST", path, Some(other), &key).await.0, StatusCode::CONFLICT);
    assert_eq!(rig.commands().len(), 1);
    let empty = json!({ "phase": "A", "reason": "  " });
    assert_eq!(call(&app, "POST", path, Some(empty)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

/// ES-3, ES-4, GO-3: acknowledgement, RCA and its confirmation over HTTP.
#[tokio::test]
async fn an_incident_is_acknowledged_explained_and_closed() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    rig.violation().await;
    let app = rig.router();
    let path = |rest: &str| format!("/v1/incidents/INC-20261122-001{rest}");
    let (status, incident) = call(&app, "GET", &path(""), None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!incident["timeline"].as_array().unwrap().is_empty());
    assert!(!incident["effects"].as_array().unwrap().is_empty());
    let (_, acknowledged) = call(&app, "POST", &path("/acknowledgement"), Some(json!({ "by": "ana" }))).await;
    assert_eq!(acknowledged["acknowledged_by"], "ana");
    let confirm = json!({ "by": "gov", "comment": "RCA confirmed" });
    let (early, problem) = call(&app, "POST", &path("/rca/confirmation"), Some(confirm.clone())).await;
    assert_eq!((early, &problem["blockers"][0]["code"]), (StatusCode::CONFLICT, &json!("rca_missing")));
    let found = json!({ "cause": "the lock", "prevention": "shard it", "link": "wiki/1", "by": "ana" });
    let (_, submitted) = call(&app, "PUT", &path("/rca"), Some(found)).await;
    assert_eq!(
        (&submitted["rca"]["state"], &submitted["rca"]["in_time"]),
        (&json!("submitted"), &json!(true))
    );
    let (_, closed) = call(&app, "POST", &path("/rca/confirmation"), Some(confirm)).await;
    assert_eq!((&closed["state"], &closed["rca"]["confirmed_by"]), (&json!("closed"), &json!("gov")));
    let (late, _) = call(&app, "POST", &path("/acknowledgement"), Some(json!({}))).await;
    assert_eq!(late, StatusCode::CONFLICT);
    let (none, _) = call(&app, "GET", "/v1/incidents/INC-20200101-001", None).await;
    assert_eq!(none, StatusCode::NOT_FOUND);
}

/// RB-4: a person's retry over HTTP, and only of what was given up.
#[tokio::test]
async fn a_dead_rollback_is_retried_over_http() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let failure = || service_kit::outbox::Outcome::Failed { reason: "exit status 1".into() };
    rig.world.executor.lock().unwrap().extend((0..5).map(|_| failure()));
    rig.violation().await;
    for _ in 0..4 {
        rig.pass(minutes(5)).await;
    }
    let app = rig.router();
    let (_, dead) = call(&app, "GET", "/v1/effects?state=dead&limit=5", None).await;
    let id = dead["items"][0]["id"].as_str().unwrap().to_owned();
    let (status, effect) = call(&app, "POST", &format!("/v1/effects/{id}/retry"), None).await;
    assert_eq!((status, &effect["state"]), (StatusCode::OK, &json!("ready")));
    rig.work().await;
    let (again, _) = call(&app, "POST", &format!("/v1/effects/{id}/retry"), None).await;
    assert_eq!(again, StatusCode::CONFLICT);
    assert_eq!(call(&app, "POST", "/v1/effects/nothing/retry", None).await.0, StatusCode::NOT_FOUND);
    let (_, rollout) = call(&app, "GET", "/v1/rollouts/autosave", None).await;
    assert_eq!(rollout["phase"], "A");
}

/// DA-1: the served document is the written one, but for the time.
#[tokio::test]
async fn the_dashboard_is_served_as_it_is_written() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig.effects.publisher.publish().await.unwrap();
    let (_, served) = call(&rig.router(), "GET", "/v1/dashboard", None).await;
    let file = std::fs::read(reporter_svc::files::dashboard(rig.data.path())).unwrap();
    let written: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(served, written);
    assert_eq!(served["targets"][0]["rollback_active"], true);
}

/// Lists page through an opaque cursor; a wrong limit or cursor is the caller's fault.
#[tokio::test]
async fn lists_page() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    for _ in 0..3 {
        rig.judged(Verdict::Warn, None).await;
    }
    let app = rig.router();
    let (_, first) = call(&app, "GET", "/v1/notifications?limit=2&kind=warn", None).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    let (_, rest) =
        call(&app, "GET", &format!("/v1/notifications?limit=2&kind=warn&cursor={next}"), None).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    for wrong in ["limit=0", "limit=1001", "cursor=x"] {
        let (status, _) = call(&app, "GET", &format!("/v1/notifications?{wrong}"), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    for path in ["/v1/rollouts", "/v1/incidents", "/v1/effects"] {
        assert_eq!(call(&app, "GET", path, None).await.0, StatusCode::OK, "{path}");
    }
}

/// PH-1: start over HTTP; unknown targets are 404.
#[tokio::test]
async fn start_is_accepted_once() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    let (status, rollout) = call(&app, "POST", "/v1/rollouts/autosave/start", Some(json!({}))).await;
    assert_eq!((status, &rollout["transition"]["to"]), (StatusCode::ACCEPTED, &json!("A")));
    let (again, _) = call(&app, "POST", "/v1/rollouts/autosave/start", Some(json!({}))).await;
    assert_eq!(again, StatusCode::CONFLICT);
    let (unknown, _) = call(&app, "POST", "/v1/rollouts/nobody/start", Some(json!({}))).await;
    assert_eq!(unknown, StatusCode::NOT_FOUND);
    rig.work().await;
    let applied = rig.event(Event::Start { by: "ana".into(), obstacles: Vec::new() }).await;
    assert!(matches!(applied, reporter_svc::store::Changed::Rejected { .. }));
}

/// PL-2: what could not be taken back is not begun. Asked where the moves would be made; a repeat is answered as the first time.
#[tokio::test]
async fn a_rollout_whose_commands_are_not_there_does_not_start() {
    let mut rig = Rig::in_memory().await;
    let folder = rig.data.path().to_owned();
    let environment = Environment::of_this_process(&[]).with("PATH", folder.as_os_str());
    let executor =
        CommandExecutor::new(&folder, environment, Supervisor::of_this_process(), CancellationToken::new());
    rig.use_executors(Executors::default().with(Arc::new(executor)));
    let app = rig.router();
    let start = async || {
        let key = [("idempotency-key", "1dd4f7c4-7b6b-4a58-9d2c-6f6f1f6f7b11")];
        call_with(&app, "POST", "/v1/rollouts/autosave/start", Some(json!({ "by": "ana" })), &key).await
    };
    let (status, refused) = start().await;
    assert_eq!(
        (status, refused["type"].as_str()),
        (StatusCode::CONFLICT, Some("urn:phasegate:problem:blocked"))
    );
    assert_eq!(refused["blockers"][0]["code"], "move_impossible");
    assert_eq!(
        refused["blockers"][0]["detail"],
        "a move cannot be made here: the program `pnpm` is not found"
    );
    let program = folder.join("pnpm");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(start().await.0, StatusCode::ACCEPTED);
    std::fs::remove_file(&program).unwrap();
    assert_eq!(start().await.0, StatusCode::OK, "it was started");
}

/// A disk that takes its time over each commit.
#[derive(Debug)]
struct SlowDisk;

#[async_trait]
impl Probe for SlowDisk {
    async fn at(&self, boundary: Boundary) -> Result<(), DbError> {
        if boundary == Boundary::Commit {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        Ok(())
    }
}

/// SQLite has one writer: a hundred starts at once take turns, on a slow disk for longer than a connection is waited for.
#[tokio::test]
async fn a_hundred_starts_at_once_all_have_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::connect(&Db::embedded_url(folder.path(), "reporter"), "reporter", MIGRATIONS).await.unwrap();
    let mut policy = policy();
    let autosave = policy.targets.remove(&autosave()).unwrap();
    let names: Vec<TargetName> =
        (0..100).map(|index| TargetName::parse(&format!("feature-{index}")).unwrap()).collect();
    policy.targets.extend(names.iter().map(|name| (name.clone(), autosave.clone())));
    let rig = Rig::under(policy, db.probed(Arc::new(SlowDisk))).await;
    let app = rig.router();
    let start = async |name: &TargetName| {
        call(&app, "POST", &format!("/v1/rollouts/{name}/start"), Some(json!({ "by": "ana" }))).await
    };
    for (status, body) in futures_util::future::join_all(names.iter().map(start)).await {
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    }
}
