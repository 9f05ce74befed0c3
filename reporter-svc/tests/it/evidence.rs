//! The evidence of an incident over HTTP, on both engines (EV-1 to EV-3, PH-5).

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::policy::Policy;
use domain::rollout::Event;
use domain::story::document;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use serde_json::{Value, json};
use service_kit::db::Db;
use shared_types::Verdict;
use shared_types::decision::{Cause, ViolationAction};

use crate::api::{call, call_with};
use crate::rig::{Rig, minutes, policy, shipped};

const EVIDENCE: &str = "/v1/incidents/INC-20261122-001/evidence";

/// The shipped policy's checklist without its approvals.
fn with_checklist() -> Policy {
    let mut policy = policy();
    for (target, shipped) in policy.targets.values_mut().zip(shipped().targets.values()) {
        target.evidence = shipped.evidence.clone();
    }
    policy
}

async fn incident(db: Db) -> Rig {
    let rig = Rig::under(with_checklist(), db).await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig
}

async fn sign(app: &Router, item: &str, body: Value) -> (StatusCode, Value) {
    call(app, "PUT", &format!("{EVIDENCE}/{item}"), Some(body)).await
}

async fn document(app: &Router, path: &str, accept: &str) -> (String, String) {
    let request = Request::builder().uri(path).header("accept", accept).body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app.clone(), request).await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (kind, String::from_utf8(bytes.to_vec()).unwrap())
}

fn states(bundle: &Value) -> Vec<&str> {
    bundle["items"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect()
}

async fn recover(rig: &Rig) {
    for _ in 0..8 {
        rig.judged(Verdict::Ok, None).await;
    }
    assert!(rig.state().await.incident.is_none(), "it has recovered");
}

async fn ripen(rig: &Rig) {
    rig.clock.advance(minutes(15));
    let mut ripe = rig.decision(Verdict::Ok, None).await;
    ripe.gate.as_mut().unwrap().satisfied = true;
    rig.reporter.decide(&ripe).await.unwrap();
    rig.work().await;
}

/// PH-5, EV-1, EV-2, EV-3: the whole story; the system fills in what it can, people sign the rest, then it moves.
#[tokio::test]
async fn a_phase_moves_up_once_the_evidence_is_complete() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = incident(db).await;
        let app = rig.router();
        let promotions = "/v1/rollouts/autosave/promotions";
        let (status, bundle) = call(&app, "GET", EVIDENCE, None).await;
        assert_eq!((status, &bundle["complete"]), (StatusCode::OK, &json!(false)));
        assert_eq!(states(&bundle), ["open", "open", "open", "open", "waiting"]);
        let found = bundle["items"][0]["figures"].as_str().unwrap();
        assert!(
            found.starts_with("template autosave-incident, command phasegate rollback --target"),
            "{found}"
        );

        let acknowledged = "/v1/incidents/INC-20261122-001/acknowledgement";
        call(&app, "POST", acknowledged, Some(json!({ "by": "ana" }))).await;
        let (_, shown) = call(&app, "GET", "/v1/incidents/INC-20261122-001", None).await;
        assert_eq!(shown["evidence"][0]["state"], "satisfied");
        // The warning is sent in A; the ok text is not.
        rig.judged(Verdict::Warn, None).await;
        recover(&rig).await;
        ripen(&rig).await;
        let (status, problem) = call(&app, "POST", promotions, Some(json!({ "by": "ana" }))).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(problem["blockers"][0]["code"], "evidence_incomplete");
        let line =
            "INC-20261122-001: retry_log (sre), rca (governance), dashboard (sre), release (release-ops)";
        assert_eq!(problem["blockers"][0]["detail"], line);

        let (status, problem) = sign(&app, "release", json!({ "by": "rel" })).await;
        assert_eq!((status, problem["blockers"].as_array().unwrap().len()), (StatusCode::CONFLICT, 3));
        assert_eq!(sign(&app, "retry_log", json!({ "by": "ben" })).await.0, StatusCode::OK);
        let (status, signed) =
            sign(&app, "dashboard", json!({ "by": "ana", "link": "https://board/1" })).await;
        assert_eq!(status, StatusCode::OK, "{signed}");
        let figures = signed["evidence"][3]["figures"].as_str().unwrap();
        assert!(figures.contains("p95 1.71 in the message, 1.71 on the card (0 % apart)"), "{figures}");
        let rca = json!({ "cause": "the lock", "prevention": "shard it", "by": "ana" });
        call(&app, "PUT", "/v1/incidents/INC-20261122-001/rca", Some(rca)).await;
        let confirmed = json!({ "comment": "RCA confirmed", "by": "gov" });
        call(&app, "POST", "/v1/incidents/INC-20261122-001/rca/confirmation", Some(confirmed)).await;
        let (status, _) = sign(&app, "release", json!({ "by": "rel", "comment": "released" })).await;
        assert_eq!(status, StatusCode::OK, "the incident is closed by now; evidence is taken all the same");
        let again = sign(&app, "release", json!({ "by": "rel", "comment": "released" })).await;
        assert_eq!(again.0, StatusCode::OK);
        let (_, bundle) = call(&app, "GET", EVIDENCE, None).await;
        assert_eq!(states(&bundle), ["satisfied", "signed", "satisfied", "signed", "signed"]);
        let (status, promoted) = call(&app, "POST", promotions, Some(json!({ "by": "ana" }))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{promoted}");
    })
    .await;
}

/// EV-1: each item has its own owner, whom the refusal names.
#[tokio::test]
async fn an_item_is_signed_by_its_owner_only() {
    let rig = incident(Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap()).await;
    let app = rig.router_with_tokens(&[("ana", "sre"), ("gov", "governance"), ("vic", "viewer")]);
    let body = || Some(json!({ "comment": "read it" }));
    let path = format!("{EVIDENCE}/retry_log");
    let (status, problem) = call_with(&app, "PUT", &path, body(), &[("authorization", "Bearer gov")]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().unwrap().contains("`sre`"), "{problem}");
    let viewer = [("authorization", "Bearer vic")];
    assert_eq!(call_with(&app, "PUT", &path, body(), &viewer).await.0, StatusCode::FORBIDDEN);
    assert_eq!(call_with(&app, "GET", EVIDENCE, None, &viewer).await.0, StatusCode::OK);
    let (status, signed) = call_with(&app, "PUT", &path, body(), &[("authorization", "Bearer ana")]).await;
    assert_eq!((status, &signed["evidence"][1]["signer"]), (StatusCode::OK, &json!("ana")));
}

/// EV-1: the follow-up stands in the file until it is done, across a restart too.
#[tokio::test]
async fn a_follow_up_stands_in_the_checklist_file_until_it_is_done() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = incident(db).await;
        let mut gone = rig.decision(Verdict::Violation, Some(ViolationAction::Page)).await;
        gone.cause = Cause::RetryExhausted;
        rig.reporter.decide(&gone).await.unwrap();
        let app = rig.router();
        let (status, problem) = sign(&app, "retry_log", json!({ "by": "ana" })).await;
        assert_eq!((status, &problem["blockers"][0]["code"]), (StatusCode::CONFLICT, &json!("task_missing")));
        let task = json!({ "by": "ana", "task": "a second source <b>\n- [x] @all" });
        assert_eq!(sign(&app, "retry_log", task).await.0, StatusCode::OK);
        let rig = rig.restarted().await;
        rig.work().await;
        let file = rig.data.path().join("reports/checklist.md");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("- [ ] `a second source <b> - [x] @all` (autosave, INC-20261122-001, retry_log"),
            "{text}"
        );
        let app = rig.router();
        let both = json!({ "by": "ben", "task_done": true, "comment": "no" });
        assert_eq!(sign(&app, "retry_log", both).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let done = json!({ "by": "ben", "task_done": true });
        assert_eq!(sign(&app, "retry_log", done).await.0, StatusCode::OK);
        rig.work().await;
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("Nothing is open.\n"));
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// EV-2: what cannot be checked is signed with a comment; what is wrong is refused by name.
#[tokio::test]
async fn wrong_signatures_are_refused_by_name() {
    let rig = incident(Db::connect("sqlite::memory:", "reporter", MIGRATIONS).await.unwrap()).await;
    let app = rig.router();
    let (status, problem) = sign(&app, "nonsense", json!({ "by": "ana" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("pagerduty, retry_log, rca"), "{problem}");
    let (status, problem) = sign(&app, "pagerduty", json!({ "by": "ana" })).await;
    assert_eq!((status, &problem["blockers"][0]["code"]), (StatusCode::CONFLICT, &json!("comment_missing")));
    let commented = json!({ "by": "ana", "comment": "I was called" });
    assert_eq!(sign(&app, "pagerduty", commented).await.0, StatusCode::OK);
    for body in [json!({ "comment": " " }), json!({ "coment": "x" }), json!({ "task": "\u{7}" })] {
        assert_eq!(sign(&app, "retry_log", body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let other = "/v1/incidents/INC-20261122-009/evidence";
    assert_eq!(call(&app, "GET", other, None).await.0, StatusCode::NOT_FOUND);
    let put = call(&app, "PUT", &format!("{other}/retry_log"), Some(json!({}))).await;
    assert_eq!(put.0, StatusCode::NOT_FOUND);
}

/// EV-3: the document holds everything, in the form that was asked for, on both engines.
#[tokio::test]
async fn the_bundle_is_one_markdown_document() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = incident(db).await;
        let id = rig.incident().await.id;
        let hostile = "</details><script>x</script> @everyone #1 [l](http://evil) ``` | `";
        rig.on_incident(&id, Event::Acknowledged { by: hostile.into(), at: rig.reporter.clock.now() }).await;
        let app = rig.router();
        let signed = json!({ "by": hostile, "comment": hostile, "link": hostile, "task": hostile });
        assert_eq!(sign(&app, "retry_log", signed).await.0, StatusCode::OK);
        let (kind, text) = document(&app, EVIDENCE, "text/markdown").await;
        assert_eq!(kind, "text/markdown; charset=utf-8");
        assert_eq!(document(&app, &format!("{EVIDENCE}?format=markdown"), "*/*").await.1, text);
        assert!(document(&app, &format!("{EVIDENCE}?format=json"), "text/markdown").await.1.starts_with('{'));
        assert!(text.chars().count() <= document::LONGEST);
        assert!(
            text.starts_with(
                "<!-- phasegate:evidence:INC-20261122-001 -->\n# Evidence of INC-20261122-001\n"
            )
        );
        let parts = [
            "## Checklist",
            "## Decision figures",
            "`save_latency_p95`: observed `2.81s`, threshold `2s`, violation",
            "## Acknowledgement",
            "## Rollback",
            "- Command: `pnpm run flags:rollback --phase A`",
            "Its output:\n\n```text\ndone\n```",
            "## Root cause analysis",
            "## Notifications as sent",
            "**incident** to `#incident-autosave`, sent at",
            "## Timeline",
            "## Audit log",
            "`evidence.signed`",
            "`decision.received`",
        ];
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        // Outside of code nothing of it stands there.
        for line in text.lines().filter(|line| line.contains("@everyone")) {
            let (before, after) = line.split_once("@everyone").unwrap();
            assert!(before.contains("````") && after.contains("````"), "{line}");
        }
    })
    .await;
}
