//! What people decide, over HTTP: approvals and who may give them.

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use domain::rollout::Event;
use serde_json::{Value, json};
use service_kit::auth::{Tokens, hash_of};

use crate::api::{call, call_with};
use crate::rig::{Rig, minutes, shipped};

const APPROVALS: &str = "/v1/rollouts/autosave/approvals";
const PROMOTIONS: &str = "/v1/rollouts/autosave/promotions";

/// A service that knows these people by their tokens, which are their names.
fn with_people(rig: &Rig) -> Router {
    let line = |(name, roles): (&str, &str)| format!("{name} {roles} {}\n", hash_of(name));
    let people = [("ana", "sre,dev-lead"), ("ben", "dev-lead"), ("eve", "sre"), ("vic", "viewer")];
    let text: String = people.into_iter().map(line).collect();
    rig.router_for(Some(Tokens::parse(&text, Path::new("tokens")).unwrap()))
}

async fn by(app: &Router, who: &str, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let bearer = format!("Bearer {who}");
    call_with(app, method, path, body, &[("authorization", bearer.as_str())]).await
}

fn codes(problem: &Value) -> Vec<&str> {
    problem["blockers"].as_array().unwrap().iter().filter_map(|it| it["code"].as_str()).collect()
}

/// PH-2, PH-5: only who holds a role approves in it; a name in the body does not change who a token names.
#[tokio::test]
async fn approvals_are_given_by_those_who_hold_the_role() {
    let rig = Rig::in_memory_under(shipped()).await;
    rig.bring_to("A").await;
    rig.ripen().await;
    let app = with_people(&rig);
    let (status, problem) = by(&app, "ben", "POST", PROMOTIONS, Some(json!({}))).await;
    assert_eq!((status, codes(&problem)), (StatusCode::CONFLICT, vec!["approval_missing"; 2]));

    let as_sre = json!({ "role": "sre", "phase": "A", "comment": "quiet" });
    let (status, problem) = by(&app, "ben", "POST", APPROVALS, Some(as_sre.clone())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(problem["detail"], "ben holds the roles dev-lead, not sre");
    let (status, _) = by(&app, "vic", "POST", APPROVALS, Some(json!({ "role": "sre", "by": "ana" }))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, rollout) = by(&app, "ana", "POST", APPROVALS, Some(as_sre.clone())).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(rollout["approvals"][0]["by"], "ana");
    assert_eq!(rollout["approvals"][0]["policy_version"], json!(rig.reporter.rules().policy.version));
    assert_eq!(rollout["approvals_missing"], json!(["dev-lead"]));
    let (status, again) = by(&app, "ana", "POST", APPROVALS, Some(as_sre)).await;
    assert_eq!((status, &again["approvals"]), (StatusCode::OK, &rollout["approvals"]));
    let (status, problem) = by(&app, "ana", "POST", APPROVALS, Some(json!({ "role": "dev-lead" }))).await;
    assert_eq!((status, codes(&problem)), (StatusCode::CONFLICT, vec!["approval_by_same_person"]));
    let wrong_phase = json!({ "role": "dev-lead", "phase": "B" });
    let (status, problem) = by(&app, "ben", "POST", APPROVALS, Some(wrong_phase)).await;
    assert_eq!((status, codes(&problem)), (StatusCode::CONFLICT, vec!["wrong_phase"]));
    let (status, _) = by(&app, "ben", "POST", APPROVALS, Some(json!({ "role": "dev-lead" }))).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, _) = by(&app, "ben", "POST", PROMOTIONS, Some(json!({}))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    rig.work().await;
    let (_, rollout) = by(&app, "vic", "GET", "/v1/rollouts/autosave", None).await;
    assert_eq!((&rollout["phase"], &rollout["approvals"]), (&json!("B"), &json!([])));
    assert_eq!(rollout["approvals_void"][0]["why"], "moved");
}

/// PH-3, PH-5: the only approver is refused as the one who asks, by name, and told what helps.
#[tokio::test]
async fn nobody_approves_alone_what_they_asked_for() {
    let rig = Rig::in_memory_under(shipped()).await;
    rig.bring_to("B").await;
    rig.ripen().await;
    let app = with_people(&rig);
    let sre = || Some(json!({ "role": "sre" }));
    by(&app, "ana", "POST", APPROVALS, sre()).await;
    let (status, problem) = by(&app, "ana", "POST", PROMOTIONS, Some(json!({}))).await;
    assert_eq!((status, codes(&problem)), (StatusCode::CONFLICT, vec!["approval_by_requester"]));
    let (status, rollout) = by(&app, "ana", "DELETE", &format!("{APPROVALS}/sre"), None).await;
    assert_eq!((status, &rollout["approvals_void"][0]["why"]), (StatusCode::OK, &json!("withdrawn")));
    let (status, problem) = by(&app, "eve", "DELETE", &format!("{APPROVALS}/sre"), None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["type"], "urn:phasegate:problem:no_approval");
    by(&app, "eve", "POST", APPROVALS, sre()).await;
    let (status, _) = by(&app, "ana", "POST", PROMOTIONS, Some(json!({}))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

/// PH-5: without tokens the name is taken as given, and the rules hold among the names.
#[tokio::test]
async fn without_tokens_names_are_as_given() {
    let rig = Rig::in_memory_under(shipped()).await;
    rig.bring_to("B").await;
    rig.ripen().await;
    let app = rig.router();
    let given = |by: &str| Some(json!({ "role": "sre", "by": by }));
    assert_eq!(call(&app, "POST", APPROVALS, given("ana")).await.0, StatusCode::CREATED);
    let (_, problem) = call(&app, "POST", PROMOTIONS, Some(json!({ "by": "ana" }))).await;
    assert_eq!(codes(&problem), ["approval_by_requester"]);
    let taken_back = format!("{APPROVALS}/sre?by=ana");
    assert_eq!(call(&app, "DELETE", &taken_back, None).await.0, StatusCode::OK);
    assert_eq!(call(&app, "POST", APPROVALS, given("")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(call(&app, "POST", APPROVALS, given("ben")).await.0, StatusCode::CREATED);
    assert_eq!(call(&app, "POST", PROMOTIONS, Some(json!({ "by": "ana" }))).await.0, StatusCode::ACCEPTED);
}

const FREEZE: &str = "/v1/rollouts/autosave/freeze";
const UNFREEZE: &str = "/v1/rollouts/autosave/unfreeze";

/// RB-7, DE-5: frozen by those who may; incidents are told as ever, their rollback waits in plain sight and starts at
/// the end of the freeze; by hand it goes at once.
#[tokio::test]
async fn a_frozen_target_moves_only_by_hand() {
    let rig = Rig::in_memory().await;
    rig.bring_to("C").await;
    let app = with_people(&rig);
    let why = || Some(json!({ "reason": "flags answer wrongly" }));
    assert_eq!(by(&app, "ben", "POST", FREEZE, why()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(by(&app, "eve", "POST", FREEZE, Some(json!({}))).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, rollout) = by(&app, "eve", "POST", FREEZE, why()).await;
    assert_eq!((status, &rollout["state"]), (StatusCode::OK, &json!("frozen")));
    assert_eq!(
        (&rollout["frozen"]["by"], &rollout["frozen"]["reason"]),
        (&json!("eve"), &json!("flags answer wrongly"))
    );
    let (status, problem) = by(&app, "ana", "POST", PROMOTIONS, Some(json!({}))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(codes(&problem).contains(&"frozen"), "{problem}");

    rig.violation().await;
    assert_eq!((rig.commands().len(), rig.incidents().await), (0, 1));
    let (_, rollout) = by(&app, "vic", "GET", "/v1/rollouts/autosave", None).await;
    let waiting = &rollout["rollback_waiting"];
    assert_eq!(
        (&waiting["from"], &waiting["to"], &waiting["why"]),
        (&json!("C"), &json!("B"), &json!("frozen"))
    );
    let (_, dashboard) = by(&app, "vic", "GET", "/v1/dashboard", None).await;
    let card = &dashboard["targets"][0];
    assert_eq!(
        (&card["state"], &card["rollback_waiting"], &card["rollback_active"]),
        (&json!("frozen"), waiting, &json!(true))
    );
    insta::assert_snapshot!(rig.texts("#incident-autosave")[0], @r###"
    🚨 AutoSave C violation / metric=save_latency_p95 / window=2026-11-22T10:30Z/10:45Z / rollback=phasegate rollback --target autosave --phase C --reason "save_latency_p95 violation"
    save_latency_p95: 2.81 s, at most 2 s
    The rollback waits: frozen by eve, flags answer wrongly; it starts at `phasegate unfreeze --target autosave`
    "###);
    assert_eq!(rig.world.pages.lock().unwrap().len(), 1);

    let rollback = Some(json!({ "phase": "C", "reason": "as the incident asks" }));
    let rollbacks = "/v1/rollouts/autosave/rollbacks";
    assert_eq!(by(&app, "ana", "POST", rollbacks, rollback).await.0, StatusCode::ACCEPTED);
    rig.work().await;
    assert_eq!(rig.phase().await.as_str(), "B");
    for _ in 0..6 {
        rig.violation().await;
    }
    assert_eq!(rig.commands().len(), 1, "RB-6: the second one waits");
    let (status, rollout) = by(&app, "eve", "POST", UNFREEZE, Some(json!({}))).await;
    assert_eq!(
        (status, &rollout["frozen"], &rollout["rollback_waiting"]),
        (StatusCode::OK, &Value::Null, &Value::Null)
    );
    rig.work().await;
    assert_eq!(rig.phase().await.as_str(), "A");
    let told: Vec<_> =
        rig.texts("#autosave-rollout").into_iter().filter(|it| it.contains("frozen")).collect();
    insta::assert_snapshot!(told.join("\n"), @r###"
    🧊 AutoSave C frozen / by=eve / reason=flags answer wrongly
    ▶️ AutoSave B unfrozen / by=eve
    The rollback starts: phasegate rollback --target autosave --phase B --reason "save_latency_p95 violation"
    "###);
    rig.assert_nothing_is_left().await;
}

/// RB-3: what a freeze takes back before its command has started is not run, and not lost.
#[tokio::test]
async fn a_freeze_takes_back_a_command_that_waits_for_its_retry() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let failure = service_kit::outbox::Outcome::Failed { reason: "exit status 1".into() };
    rig.world.executor.lock().unwrap().push_back(failure);
    rig.violation().await;
    assert_eq!(rig.commands().len(), 1);
    rig.event(Event::Freeze { by: "fay".into(), reason: "wait".into() }).await;
    rig.pass(minutes(5)).await;
    assert_eq!((rig.commands().len(), rig.phase().await.as_str().to_owned()), (1, "B".to_owned()));
    rig.event(Event::Unfreeze { by: "fay".into(), reason: None }).await;
    rig.work().await;
    assert_eq!((rig.commands().len(), rig.phase().await.as_str().to_owned()), (2, "A".to_owned()));
}

/// The budget of automatic rollbacks: a person is asked in the escalation channel and paged at its priority; where nobody
/// decides, the rollback starts when the budget allows it.
#[tokio::test]
async fn beyond_the_budget_a_person_is_asked() {
    let mut policy = crate::rig::policy();
    for target in policy.targets.values_mut() {
        target.transitions.budget.automatic_rollbacks = 1;
    }
    let rig = Rig::in_memory_under(policy).await;
    rig.bring_to("C").await;
    rig.violation().await;
    for _ in 0..6 {
        rig.violation().await;
    }
    assert_eq!((rig.commands().len(), rig.phase().await.as_str().to_owned()), (1, "B".to_owned()));
    let asked = rig.texts("#incident");
    assert!(
        asked[0].contains("The rollback waits: the budget of 1 automatic rollbacks per 24h is spent"),
        "{asked:?}"
    );
    let priorities: Vec<String> =
        rig.world.pages.lock().unwrap().iter().map(|it| it.priority.clone()).collect();
    assert_eq!(priorities, ["P2", "P1"]);
    let (_, rollout) = call(&rig.router(), "GET", "/v1/rollouts/autosave", None).await;
    let spent = json!({ "started": 1, "allowed": 1, "per_ms": 86_400_000 });
    assert_eq!(
        (&rollout["automatic_rollbacks"], &rollout["rollback_waiting"]["why"]),
        (&spent, &json!("budget"))
    );
    rig.pass(minutes(23 * 60)).await;
    assert_eq!(rig.commands().len(), 1);
    rig.pass(minutes(60)).await;
    assert_eq!((rig.commands().len(), rig.phase().await.as_str().to_owned()), (2, "A".to_owned()));
}
