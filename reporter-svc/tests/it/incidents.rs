//! What people do about an incident: acknowledge it at PagerDuty, find its cause, decide its review.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::rollout::Event;
use phasegate_tests::doubles::signature;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use serde_json::{Value, json};
use service_kit::clock::Clock;
use shared_types::Verdict;
use shared_types::incident::{IncidentState, RcaState, ReviewState};

use crate::api::call;
use crate::rig::{KEEP, Rig, WEBHOOK_SECRET, minutes, phase, submission};

/// Opened at 10:30, the second window after the start.
const KEY: &str = "phasegate/autosave/INC-20261122-001/1795343400000";
const INCIDENT: &str = "/v1/incidents/INC-20261122-001";
const DAY: u64 = 24 * 60;

pub(crate) fn event(id: &str, kind: &str, at: shared_types::Timestamp, key: Option<&str>) -> String {
    json!({ "event": {
        "id": id, "event_type": kind, "resource_type": "incident", "occurred_at": at,
        "agent": { "summary": "Ana", "type": "user_reference" },
        "data": { "type": "incident", "id": "PINC0001", "incident_key": key },
    }})
    .to_string()
}

async fn post(app: &Router, body: &str, header: &str) -> (StatusCode, Value) {
    let request = Request::builder()
        .method("POST")
        .uri("/v1/webhooks/pagerduty")
        .header("content-type", "application/json")
        .header("x-pagerduty-signature", header)
        .body(Body::from(body.to_owned()));
    let response = tower::ServiceExt::oneshot(app.clone(), request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) async fn signed(app: &Router, body: &str) -> (StatusCode, String) {
    let (status, answer) = post(app, body, &format!("v1={}", signature(WEBHOOK_SECRET, body))).await;
    (status, answer["outcome"].as_str().unwrap_or_default().to_owned())
}

/// ES-3: taken over with the time it happened at, once, whatever is repeated; 202 means written down.
#[tokio::test]
async fn an_acknowledgement_at_pagerduty_is_taken_over_once() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        rig.violation().await;
        let app = rig.router();
        rig.clock.advance(minutes(5));
        let at = rig.clock.now();
        rig.clock.advance(minutes(20));
        let body = event("E1", "incident.acknowledged", at, Some(KEY));
        assert_eq!(signed(&app, &body).await, (StatusCode::ACCEPTED, "accepted".to_owned()));
        assert_eq!(rig.incident().await.acknowledged_at, None, "the work comes later");
        assert_eq!(signed(&app, &body).await, (StatusCode::ACCEPTED, "repeated".to_owned()));
        rig.work().await;
        let incident = rig.incident().await;
        assert_eq!((incident.acknowledged_at, incident.acknowledged_by.as_deref()), (Some(at), Some("Ana")));
        assert_eq!(incident.acknowledged_in_time, Some(true));
        assert_eq!(incident.timeline.iter().filter(|hop| hop.kind == "acknowledged").count(), 1);
        rig.pass(minutes(30)).await;
        assert!(rig.texts("#incident").is_empty(), "it does not escalate any more");

        // Known for 48 hours, whatever the outbox forgets; then its row goes.
        let now = rig.clock.now();
        assert_eq!(rig.forget(KEEP, now).await, 0);
        assert_eq!(rig.forget(KEEP, now.plus(minutes(2 * DAY))).await, 1);
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// ES-3: both orders of the race; each side wins or loses whole.
#[tokio::test]
async fn an_acknowledgement_races_the_escalation_whole() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        rig.violation().await;
        let early = rig.clock.now().plus(minutes(29));
        rig.pass(minutes(31)).await;
        let app = rig.router();
        signed(&app, &event("E1", "incident.acknowledged", early, Some(KEY))).await;
        rig.work().await;
        let incident = rig.incident().await;
        assert_eq!((incident.acknowledged_at, incident.priority.as_str()), (Some(early), "P1"));
        assert!(incident.escalated_at.is_some() && incident.acknowledged_in_time == Some(false));
        assert_eq!(rig.texts("#incident").len(), 1, "exactly once");
        rig.pass(minutes(60)).await;
        assert_eq!(rig.texts("#incident").len(), 1);
    })
    .await;
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig.clock.advance(minutes(31));
    let now = rig.clock.now();
    signed(&rig.router(), &event("E1", "incident.acknowledged", now, Some(KEY))).await;
    // The event is applied before the tick sees the time.
    service_kit::outbox::work_once(&rig.db, &*rig.clock, &*rig.effects).await.unwrap();
    rig.work().await;
    let incident = rig.incident().await;
    assert_eq!((incident.acknowledged_at, incident.priority.as_str()), (Some(now), "P2"));
    assert!(rig.texts("#incident").is_empty());
}

/// ES-3: without our key, the page is found by the name under which an earlier event made it known.
#[tokio::test]
async fn an_event_without_our_key_is_found_by_the_pages_own_id() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let (app, now) = (rig.router(), rig.clock.now());
    let opened = signed(&app, &event("E1", "incident.triggered", now, Some(KEY))).await;
    assert_eq!(opened, (StatusCode::ACCEPTED, "ignored".to_owned()));
    signed(&app, &event("E2", "incident.acknowledged", now, None)).await;
    signed(&app, &event("E3", "incident.resolved", now, None)).await;
    rig.work().await;
    let incident = rig.incident().await;
    assert_eq!(incident.acknowledged_by.as_deref(), Some("Ana"));
    assert_eq!(incident.state, IncidentState::Open, "resolving the page recovers nothing");
    assert!(incident.timeline.iter().any(|hop| hop.kind == "page_resolved_by_person"));
    rig.assert_nothing_is_left().await;
}

/// ES-3: forged, unsigned and altered events are refused and leave nothing; what is signed is never refused for its
/// content, for PagerDuty would only send it again.
#[tokio::test]
async fn only_signed_events_are_taken_and_no_signed_one_is_refused() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let (app, now) = (rig.router(), rig.clock.now());
    let body = event("E1", "incident.acknowledged", now, Some(KEY));
    let right = signature(WEBHOOK_SECRET, &body);
    let altered = body.replace("Ana", "Eve");
    for (body, header) in [
        (&body, String::new()),
        (&body, format!("v1={}", signature("guessed", &body))),
        (&body, format!("v2={right}")),
        (&altered, format!("v1={right}")),
    ] {
        let (status, problem) = post(&app, body, &header).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::UNAUTHORIZED, &json!("urn:phasegate:problem:unauthorized"))
        );
    }
    for strange in [
        "not json".to_owned(),
        json!({ "event": { "id": "E9", "event_type": "pagey.ping", "occurred_at": now } }).to_string(),
        event("E2", "incident.reassigned", now, Some(KEY)),
        event("E3", "incident.acknowledged", now, Some("phasegate/other/INC-20200101-001")),
        event("E4", "incident.acknowledged", now, Some("somebody else's")),
    ] {
        assert_eq!(signed(&app, &strange).await.0, StatusCode::ACCEPTED, "{strange}");
    }
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(600 * 1024));
    assert_eq!(signed(&app, &huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    rig.work().await;
    assert_eq!(rig.incident().await.acknowledged_at, None);
    // While a secret is being changed there are two signatures.
    let both = format!("v1={},v1={right}", signature("the new one", &body));
    assert_eq!(post(&app, &body, &both).await.0, StatusCode::ACCEPTED);
    rig.work().await;
    assert_eq!(rig.incident().await.acknowledged_by.as_deref(), Some("Ana"));
    rig.assert_nothing_is_left().await;
}

/// ES-3: without its secret the webhook is not there, and says why.
#[tokio::test]
async fn without_a_secret_the_webhook_says_so() {
    let rig = Rig::in_memory().await;
    let app = rig.router_without_webhooks();
    let (status, problem) = post(&app, "{}", "v1=00").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("PAGERDUTY_WEBHOOK_SECRET"), "{problem}");
}

/// GO-1: the file is there with the incident, follows it, and keeps what a person wrote.
#[tokio::test]
async fn the_rca_file_follows_the_incident_and_keeps_what_people_wrote() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let decision = rig.violation().await;
    let incident = rig.incident().await;
    assert_eq!(incident.rca.state, RcaState::Draft);
    assert_eq!(incident.rca.due_at, incident.opened_at.plus(minutes(DAY)));
    let path = rig.data.path().join(&incident.rca.file);
    let text = std::fs::read_to_string(&path).unwrap();
    for part in [
        "# RCA of INC-20261122-001: AutoSave, phase B",
        "| metric | save_latency_p95: observed 2.81s, threshold 2s, ratio 1.405 |",
        "| rollback_requested |",
        "- for people: `phasegate rollback --target autosave --phase B",
        "- run at 2026-11-22T10:",
        &format!("- `{}`: violation in", decision.decision_id),
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let edited =
        text.replace("<!-- What made it happen", "Too many merges.\n<!-- What made it happen") + "\nNotes\n";
    std::fs::write(&path, &edited).unwrap();
    rig.event(Event::Acknowledged { by: "ana".into(), at: rig.clock.now() }).await;
    rig.work().await;
    let newer = std::fs::read_to_string(&path).unwrap();
    assert!(newer.contains("ana acknowledged it") && newer.contains("Too many merges."), "{newer}");
    assert!(newer.ends_with("\nNotes\n"), "{newer}");
    rig.assert_nothing_is_left().await;
}

/// GO-1: not acceptable as it was prepared; complete as a file, as a document or as fields, whatever is given.
#[tokio::test]
async fn an_rca_is_submitted_when_both_parts_are_there() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let app = rig.router();
    let rca = format!("{INCIDENT}/rca");
    let (status, problem) =
        call(&app, "PUT", &rca, Some(json!({ "by": "ana", "link": "https://wiki/1" }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("`cause` is empty") && detail.contains("`prevention` is empty"), "{detail}");

    let (_, shown) = call(&app, "GET", &rca, None).await;
    let document = shown["document"].as_str().unwrap();
    let half = document.replace("<!-- phasegate:cause -->", "<!-- phasegate:cause -->\nThe lock.");
    let (status, problem) = call(&app, "PUT", &rca, Some(json!({ "by": "ana", "document": half }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.contains("`cause`") && detail.contains("`prevention` is empty"), "{detail}");

    // The part that is not given comes from the file that the reporter keeps.
    let path = rig.data.path().join(rig.incident().await.rca.file);
    let whole = half.replace("<!-- phasegate:prevention -->", "<!-- phasegate:prevention -->\nShard it.");
    std::fs::write(&path, &whole).unwrap();
    let (status, incident) = call(&app, "PUT", &rca, Some(json!({ "by": "ana" }))).await;
    assert_eq!((status, &incident["rca"]["state"]), (StatusCode::OK, &json!("submitted")));
    assert_eq!(
        (&incident["rca"]["cause"], &incident["rca"]["prevention"]),
        (&json!("The lock."), &json!("Shard it."))
    );
    assert_eq!(incident["rca"]["in_time"], true);
    rig.work().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("The lock.").count(), 1, "{text}");

    let fields = json!({ "by": "ben", "cause": "The other lock.", "prevention": "Shard it.", "link": "https://wiki/2" });
    call(&app, "PUT", &rca, Some(fields)).await;
    rig.work().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains("The lock.")
            && text.contains("\nThe other lock.\n")
            && text.matches("Shard it.").count() == 1,
        "in place of what was submitted before: {text}"
    );
    let (_, shown) = call(&app, "GET", &rca, None).await;
    assert_eq!((&shown["document"], &shown["rca"]["link"]), (&json!(text), &json!("https://wiki/2")));
}

/// GO-3: not by the one who wrote it; then the incident closes with its recovery, and its page is resolved (ES-4).
#[tokio::test]
async fn another_person_confirms_the_rca() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let app = rig.router();
    rig.event(submission("ana")).await;
    let confirmation = |by: &str| Some(json!({ "by": by, "comment": "RCA confirmed" }));
    let path = format!("{INCIDENT}/rca/confirmation");
    let (status, problem) = call(&app, "POST", &path, confirmation("Ana")).await;
    assert_eq!((status, &problem["blockers"][0]["code"]), (StatusCode::CONFLICT, &json!("four_eyes")));
    let (_, incident) = call(&app, "POST", &path, confirmation("gov")).await;
    assert_eq!((&incident["rca"]["state"], &incident["state"]), (&json!("confirmed"), &json!("open")));
    for _ in 0..6 {
        rig.judged(Verdict::Ok, None).await;
    }
    assert_eq!(rig.incident().await.state, IncidentState::Closed);
    assert_eq!(rig.world.resolved.lock().unwrap().len(), 1);
    rig.assert_nothing_is_left().await;
}

/// GO-2, RB-1, RB-3: nothing came in a day: the review opens by itself, once, says so once, and its approval takes the
/// target back one phase through the durable executor, though the incident has recovered.
#[tokio::test]
async fn an_overdue_rca_opens_a_review_whose_approval_forces_the_rollback() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("C").await;
        rig.violation().await;
        rig.event(Event::Acknowledged { by: "ana".into(), at: rig.clock.now() }).await;
        for _ in 0..6 {
            rig.judged(Verdict::Ok, None).await;
        }
        assert_eq!(rig.incident().await.state, IncidentState::Recovered);
        rig.pass(minutes(DAY)).await;
        rig.pass(minutes(60)).await;
        let review = rig.incident().await.review.unwrap();
        assert_eq!(review.state, ReviewState::Open);
        let told = rig.texts("#incident");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("no RCA of INC-20261122-001") && told[0].contains("go back from B to A"),
            "{told:?}"
        );

        let app = rig.router();
        let path = format!("{INCIDENT}/review");
        let unexplained = json!({ "approve": true, "comment": " ", "by": "gov" });
        assert_eq!(call(&app, "POST", &path, Some(unexplained)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let approval = json!({ "approve": true, "comment": "no cause known after a day", "by": "gov" });
        let (status, incident) = call(&app, "POST", &path, Some(approval.clone())).await;
        assert_eq!(
            (status, &incident["review"]["state"]),
            (StatusCode::OK, &json!("approved")),
            "{incident}"
        );
        let (again, same) = call(&app, "POST", &path, Some(approval)).await;
        assert_eq!((again, &same["review"]), (StatusCode::OK, &incident["review"]));
        // Killed here, the rollback is still in the outbox; another process runs it.
        let other = rig.restarted().await;
        other.work().await;
        assert_eq!(rig.commands(), [(phase("C"), phase("B")), (phase("B"), phase("A"))]);
        assert_eq!(rig.phase().await, phase("A"));
        let state = rig.state().await;
        assert_eq!((state.incident, state.ended.unwrap().initiator.as_str()), (None, "gov"));
        let incident = rig.incident().await;
        assert_eq!((incident.state, rig.incidents().await), (IncidentState::Recovered, 1));
        let hops: Vec<&str> = incident.timeline.iter().map(|hop| hop.kind.as_str()).collect();
        for hop in ["review_opened", "review_decided", "command_finished", "autosave-rollback"] {
            assert!(hops.contains(&hop), "{hop} is missing in {hops:?}");
        }
        let told = rig.texts("#incident");
        assert!(
            told.len() == 2 && told[1].contains("gov approved it: the rollback from B to A is asked for"),
            "{told:?}"
        );
        let declined = json!({ "approve": false, "comment": "too late", "by": "gov" });
        assert_eq!(call(&app, "POST", &path, Some(declined)).await.0, StatusCode::CONFLICT);
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// GO-2: a reporter that was down past the deadline opens the review when it is back: the timer is in the database.
#[tokio::test]
async fn the_deadline_survives_a_restart() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig.event(Event::Acknowledged { by: "ana".into(), at: rig.clock.now() }).await;
    for _ in 0..6 {
        rig.judged(Verdict::Ok, None).await;
    }
    let due_at = rig.incident().await.rca.due_at;
    assert_eq!(rig.reporter.store.next_due().await.unwrap().map(|at| at <= due_at), Some(true));
    rig.clock.advance(minutes(3 * DAY));
    let later = rig.restarted().await;
    later.work().await;
    assert_eq!(later.incident().await.review.unwrap().state, ReviewState::Open);
    let reminders = rig.texts("#incident-autosave").iter().filter(|text| text.contains("is due at")).count();
    assert_eq!((reminders, rig.texts("#incident").len()), (0, 1));
}

/// GO-1: reminded once, in the incident's own thread, when three quarters of the time have passed.
#[tokio::test]
async fn people_are_reminded_before_the_deadline() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig.pass(minutes(DAY * 3 / 4)).await;
    rig.pass(minutes(60)).await;
    let messages = rig.world.messages.lock().unwrap().clone();
    let reminders: Vec<_> = messages.iter().filter(|it| it.0.text.contains("is due at")).collect();
    assert_eq!(reminders.len(), 1);
    assert_eq!((reminders[0].0.channel.as_str(), reminders[0].1.is_some()), ("#incident-autosave", true));
}

/// GO-2, GO-3: whoever the policy's `rca.approver` names rules, and nobody else who has a token.
#[tokio::test]
async fn only_the_approver_of_the_policy_rules() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    rig.event(submission("ana")).await;
    let app = rig.router_with_tokens(&[("sam", "sre"), ("gov", "governance")]);
    let path = format!("{INCIDENT}/rca/confirmation");
    for (token, expected) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("sam"), StatusCode::FORBIDDEN),
        (Some("gov"), StatusCode::OK),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|it| ("authorization", it.as_str())).collect();
        let body = Some(json!({ "comment": "RCA confirmed", "by": "somebody else" }));
        let (status, answer) = crate::api::call_with(&app, "POST", &path, body, &headers).await;
        assert_eq!(status, expected, "{answer}");
    }
    let (_, shown) =
        crate::api::call_with(&app, "GET", INCIDENT, None, &[("authorization", "Bearer gov")]).await;
    assert_eq!(shown["approver"], "governance", "so that a page can tell who is asked");
    assert_eq!(
        rig.incident().await.rca.confirmed_by.as_deref(),
        Some("gov"),
        "the token's name, not the body's"
    );
}
