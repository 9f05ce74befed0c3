//! What others are told who ask whether a target is well: Argo Rollouts' web metric and Flagger's hooks as their documentation has
//! them, and what each does at the answer.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::rollout::Event;
use serde_json::{Value, json};
use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use tower::ServiceExt as _;

use crate::api::{call, call_with};
use crate::rig::{Rig, minutes, phase};

const VERDICT: &str = "/v1/targets/autosave/verdict";

/// What a measurement of Argo Rollouts comes to.
#[derive(Debug, PartialEq)]
enum Measured {
    Successful,
    Failed,
    Inconclusive,
    /// The fifth in a row ends the analysis, and the rollout is aborted.
    Error,
}

/// `jsonPath: "{$.verdict}"`, `successCondition: result in ["ok", "warn"]`, `failureCondition: result == "violation"`. Where neither
/// is so the measurement is inconclusive, and a status beyond 2xx is an error.
fn argo(status: StatusCode, body: &Value) -> Measured {
    if !status.is_success() {
        return Measured::Error;
    }
    let Some(result) = body["verdict"].as_str() else { return Measured::Error };
    match (result == "violation", ["ok", "warn"].contains(&result)) {
        (true, _) => Measured::Failed,
        (false, true) => Measured::Successful,
        (false, false) => Measured::Inconclusive,
    }
}

/// What Flagger sends.
fn canary() -> Value {
    json!({
        "name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "85d557f47b",
        "metadata": {"test": "all", "token": "16688eb5e9f289f1991c"},
    })
}

/// What Flagger takes for a yes.
fn goes_on(status: StatusCode) -> bool {
    (200..=202).contains(&status.as_u16())
}

/// What all of them do now: Argo's measurement, whether Flagger goes on, whether it rolls back.
async fn reactions(app: &Router) -> (Measured, bool, bool) {
    let (status, body) = call(app, "GET", VERDICT, None).await;
    let hook = async |kind: &str| {
        let path = format!("/v1/targets/autosave/flagger/{kind}");
        goes_on(call(app, "POST", &path, Some(canary())).await.0)
    };
    (argo(status, &body), hook("confirm").await, hook("rollback").await)
}

/// A rollout in B, and the service beside it.
async fn in_b() -> (Rig, Router) {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let app = rig.router();
    (rig, app)
}

/// PH-7: nothing that is not known is well, and nothing is rolled back for it.
#[tokio::test]
async fn what_is_not_known_is_an_error_and_no_reason_to_roll_back() {
    let rig = Rig::in_memory().await;
    let app = rig.router();
    assert_eq!(reactions(&app).await, (Measured::Error, false, false), "never started");
    rig.bring_to("A").await;
    assert_eq!(reactions(&app).await, (Measured::Error, false, false), "nothing is judged yet");
    rig.judged(Verdict::Ok, None).await;
    rig.clock.advance(minutes(60));
    assert_eq!(reactions(&app).await, (Measured::Error, false, false), "it is too old");
}

/// What is not known says why, as a problem, and when to ask again.
#[tokio::test]
async fn what_is_not_known_says_why() {
    let (_rig, app) = in_b().await;
    let request = Request::get(VERDICT).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "15");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (_, problem) = call(&app, "GET", VERDICT, None).await;
    assert_eq!(problem["type"], "urn:phasegate:problem:not_known");
    let detail = "whether autosave is well in B is not known: no batch of this epoch has been judged yet";
    assert_eq!(problem["detail"], detail);
    assert_eq!(problem["blockers"][0]["code"], "gate_unsatisfied");
}

/// The verdicts of windows that nothing else speaks against.
#[tokio::test]
async fn each_verdict_has_its_reaction() {
    for (verdict, action, expected) in [
        (Verdict::Ok, None, Measured::Successful),
        (Verdict::Warn, None, Measured::Successful),
        (Verdict::Insufficient, None, Measured::Inconclusive),
        (Verdict::Unsure, None, Measured::Inconclusive),
        (Verdict::Violation, Some(ViolationAction::Hold), Measured::Failed),
        (Verdict::Violation, Some(ViolationAction::Page), Measured::Failed),
    ] {
        let (rig, app) = in_b().await;
        rig.judged(verdict, action).await;
        assert_eq!(reactions(&app).await, (expected, false, false), "{verdict:?} {action:?}");
    }
}

/// The answer in the product's words.
#[tokio::test]
async fn the_answer_names_decision_and_window() {
    let (rig, app) = in_b().await;
    let decision = rig.judged(Verdict::Warn, None).await;
    let (status, answer) = call(&app, "GET", VERDICT, None).await;
    assert_eq!(status, StatusCode::OK);
    let blockers = answer["blockers"].clone();
    assert_eq!(blockers[0]["detail"], "1 of 8 compliant batches in a row");
    let expected = json!({
        "target": "autosave", "phase": "B", "epoch": 2, "verdict": "warn", "ok": true, "insufficient": false,
        "roll_back": false, "window": decision.window, "decision_id": decision.decision_id,
        "decided_at": decision.decided_at, "blockers": blockers, "incident": null,
    });
    assert_eq!(answer, expected);
}

/// PH-5: Flagger goes on when Phasegate itself would, and is told what is in the way until then.
#[tokio::test]
async fn flagger_goes_on_when_nothing_is_in_the_way() {
    let (rig, app) = in_b().await;
    rig.judged(Verdict::Ok, None).await;
    let path = "/v1/targets/autosave/flagger/confirm";
    let (status, problem) = call(&app, "POST", path, Some(canary())).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let said = "autosave may not go on from B: ok; gate_unsatisfied: 1 of 8 compliant batches in a row";
    assert_eq!(problem["detail"], said);
    rig.ripen().await;
    assert_eq!(reactions(&app).await, (Measured::Successful, true, false));
    // Of a release that says less, or more.
    for body in [json!({}), json!({"name": "podinfo", "metadata": null, "buildId": "7"})] {
        assert_eq!(call(&app, "POST", path, Some(body)).await.0, StatusCode::OK);
    }
    let wrong = call(&app, "POST", path, Some(json!({"name": 7}))).await.0;
    assert_eq!(wrong, StatusCode::UNPROCESSABLE_ENTITY);
}

/// RB-1: under way, and so long afterwards that whoever asks once a window has heard of it.
#[tokio::test]
async fn a_rollback_is_told_to_whoever_asks_seldom() {
    let (rig, app) = in_b().await;
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    rig.reporter.decide(&decision).await.unwrap();
    assert_eq!(reactions(&app).await, (Measured::Failed, false, true), "under way");
    let (_, answer) = call(&app, "GET", VERDICT, None).await;
    assert_eq!((&answer["incident"], &answer["ok"]), (&json!("INC-20261122-001"), &json!(false)));
    rig.work().await;
    assert_eq!(rig.phase().await, phase("A"));
    assert_eq!(reactions(&app).await, (Measured::Failed, false, true), "just made");
    let (_, answer) = call(&app, "GET", VERDICT, None).await;
    assert_eq!((&answer["phase"], &answer["window"]), (&json!("A"), &Value::Null));
    for _ in 0..5 {
        rig.judged(Verdict::Ok, None).await;
    }
    assert_eq!(reactions(&app).await, (Measured::Inconclusive, false, false), "its incident is open");
}

/// A freeze stops others too, and rolls nothing back: a rollback that waits for its end waits for theirs as well.
#[tokio::test]
async fn a_frozen_target_goes_nowhere() {
    let (rig, app) = in_b().await;
    rig.ripen().await;
    rig.event(Event::Freeze { by: "fay".into(), reason: "flags answer wrongly".into() }).await;
    assert_eq!(reactions(&app).await, (Measured::Inconclusive, false, false));
    rig.violation().await;
    assert_eq!(rig.phase().await, phase("B"));
    assert_eq!(reactions(&app).await, (Measured::Failed, false, false));
    let (_, problem) = call(&app, "POST", "/v1/targets/autosave/flagger/rollback", Some(canary())).await;
    assert!(problem["detail"].as_str().unwrap().contains("; rollback_waiting: "), "{problem}");
    rig.event(Event::Unfreeze { by: "gus".into(), reason: None }).await;
    assert_eq!(reactions(&app).await, (Measured::Failed, false, true));
}

#[tokio::test]
async fn a_target_that_is_not_in_the_policy_is_not_found() {
    let (_rig, app) = in_b().await;
    assert_eq!(call(&app, "GET", "/v1/targets/nobody/verdict", None).await.0, StatusCode::NOT_FOUND);
    for kind in ["confirm", "rollback"] {
        let path = format!("/v1/targets/nobody/flagger/{kind}");
        assert_eq!(call(&app, "POST", &path, Some(canary())).await.0, StatusCode::NOT_FOUND);
    }
}

/// As other reads; and who may not ask is told neither to go on nor to roll back.
#[tokio::test]
async fn whoever_may_read_may_ask() {
    let (rig, _) = in_b().await;
    rig.ripen().await;
    let app = rig.router_with_tokens(&[("val", "viewer"), ("app", "service:telemetry")]);
    for (token, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("Bearer app"), StatusCode::FORBIDDEN),
        (Some("Bearer val"), StatusCode::OK),
    ] {
        let headers: Vec<(&str, &str)> = token.map(|it| ("authorization", it)).into_iter().collect();
        assert_eq!(call_with(&app, "GET", VERDICT, None, &headers).await.0, expected);
        let path = "/v1/targets/autosave/flagger/confirm";
        assert_eq!(call_with(&app, "POST", path, Some(canary()), &headers).await.0, expected);
    }
}

/// GO-4: asking is no act: nothing changes, and nothing is written down.
#[tokio::test]
async fn asking_changes_nothing() {
    let (rig, app) = in_b().await;
    rig.violation().await;
    let before = (rig.state().await, call(&app, "GET", "/v1/audit", None).await.1);
    reactions(&app).await;
    assert_eq!((rig.state().await, call(&app, "GET", "/v1/audit", None).await.1), before);
    rig.assert_nothing_is_left().await;
}
