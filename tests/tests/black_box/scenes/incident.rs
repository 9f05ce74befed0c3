//! An incident from its page to its review: who acknowledged and when, and what follows when nobody finds the cause.

use std::time::Duration;

use phasegate_tests::doubles::Delivery;
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

use crate::story::POLICY;

const SECRET: &str = "what PagerDuty shows once";

/// The policy with other times for people.
fn policy(paging: &str, due: &str) -> String {
    let text = POLICY
        .replace("acknowledge_within: 15s, escalate_after: 30m", paging)
        .replace("rca:    { due: 24h", &format!("rca:    {{ due: {due}"));
    assert_ne!(text, POLICY);
    text
}

/// A stack whose PagerDuty tells it what people do.
async fn start(policy: &str, vendors: &Vendors) -> Stack {
    let mut environment = vendors.environment();
    environment.push(("PAGERDUTY_WEBHOOK_SECRET", SECRET.to_owned()));
    let stack = Stack::start(Layout::ThreeOnPostgres, policy, &environment).await;
    vendors.pagerduty.send_webhooks_to(&stack.url("reporter", "/v1/webhooks/pagerduty"), SECRET);
    stack
}

async fn until_incident(stack: &Stack, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
    wait::until(what, || async {
        let page = stack.get("reporter", "/v1/incidents?limit=1").await?;
        let newest = &page["items"][0];
        if reached(newest) { Ok(newest.clone()) } else { Err(page.to_string()) }
    })
    .await
}

/// One violation in phase A and its rollback to `off`; gives the dedup key of its page.
async fn violate(stack: &Stack, feeder: &Feeder, vendors: &Vendors, pages: usize) -> String {
    super::begin(stack).await;
    feeder.violate(true);
    assert!(vendors.pagerduty.wait_until(wait::PATIENCE, |all| all.len() == pages).await);
    vendors.pagerduty.incidents()[pages - 1].dedup_key.clone()
}

/// ES-3: PagerDuty tells twice, and it counts once, with PagerDuty's time; a forged event is refused. The escalation does
/// not happen, and what a person resolves there goes on here.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_at_pagerduty_is_in_time() {
    let vendors = Vendors::start().await;
    let stack = start(&policy("acknowledge_within: 15s, escalate_after: 20s", "1h"), &vendors).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    let key = violate(&stack, &feeder, &vendors, 1).await;
    vendors.pagerduty.next_webhook(Delivery::WrongSecret).next_webhook(Delivery::Duplicate);
    assert!(vendors.pagerduty.wait_for_webhooks(1, wait::PATIENCE).await, "that it was triggered");
    let told = vendors.pagerduty.webhook_answers().len();
    assert!(vendors.pagerduty.acknowledge(&key, "Eve"));
    assert!(vendors.pagerduty.acknowledge(&key, "Ana"));
    assert!(vendors.pagerduty.wait_for_webhooks(told + 3, wait::PATIENCE).await);
    let incident =
        until_incident(&stack, "the acknowledgement", |it| it["acknowledged_at"].is_string()).await;
    assert_eq!(
        (&incident["acknowledged_by"], &incident["acknowledged_in_time"]),
        (&json!("Ana"), &json!(true))
    );
    let mut answers = vendors.pagerduty.webhook_answers()[told..].to_vec();
    answers.sort_unstable();
    assert_eq!(answers, [202, 202, 401]);
    assert!(vendors.pagerduty.resolve(&key, "Ana"));
    let path = format!("/v1/incidents/{}", incident["id"].as_str().expect("an id"));
    let detail = wait::until("the hop of the resolved page", || async {
        let detail = stack.get("reporter", &path).await?;
        let hops = detail["timeline"].as_array().expect("a timeline");
        let there = hops.iter().any(|hop| hop["kind"] == "page_resolved_by_person");
        if there { Ok(detail) } else { Err(detail.to_string()) }
    })
    .await;
    let hops = detail["timeline"].as_array().expect("a timeline");
    assert_eq!(hops.iter().filter(|hop| hop["kind"] == "acknowledged").count(), 1, "{detail}");
    assert_ne!(detail["state"], "closed");
    feeder.stop().await;
}

/// ES-3: both orders of the race. News that come after the escalation are kept with the time of the act, and the
/// escalation stays; news that come before it call it off.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_races_the_escalation() {
    let vendors = Vendors::start().await;
    let stack = start(&policy("acknowledge_within: 2s, escalate_after: 5s", "1h"), &vendors).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    let key = violate(&stack, &feeder, &vendors, 1).await;
    vendors.pagerduty.next_webhook(Delivery::Late(Duration::from_secs(9)));
    assert!(vendors.pagerduty.acknowledge(&key, "Ana"));
    let incident = until_incident(&stack, "the late news", |it| it["acknowledged_at"].is_string()).await;
    assert!(incident["escalated_at"].is_string() && incident["priority"] == "P1", "{incident}");
    let before = |one: &str, other: &str| incident[one].as_str() < incident[other].as_str();
    assert!(before("acknowledged_at", "escalated_at"), "{incident}");
    let escalated = || vendors.slack.messages_in("#incident").len();
    assert_eq!(escalated(), 1, "once");
    feeder.violate(false);
    stack.until_phase("off", "off").await;

    let key = violate(&stack, &feeder, &vendors, 2).await;
    assert!(vendors.pagerduty.acknowledge(&key, "Ana"));
    let first = incident["id"].clone();
    let second = until_incident(&stack, "the news in time", |it| {
        it["id"] != first && it["acknowledged_at"].is_string()
    })
    .await;
    assert!(second["escalated_at"].is_null() && second["priority"] == "P2", "{second}");
    // Nothing is to happen, so there is no condition to wait for: the time of the escalation has to pass.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(escalated(), 1, "{:?}", vendors.slack.messages_in("#incident"));
    feeder.stop().await;
}

/// Two people approve the move from A to B, and no other approval counts; without them it is refused, by name.
async fn approved_by_two(stack: &Stack) {
    wait::until("the gate to be satisfied, and both approvals to be missing", || async {
        let ask = json!({ "by": "release engineer" });
        let (status, problem) = stack.post("reporter", "/v1/rollouts/autosave/promotions", &ask).await;
        let blockers = problem["blockers"].as_array().cloned().unwrap_or_default();
        let missing = blockers.iter().filter(|it| it["code"] == "approval_missing").count();
        if (status, missing, blockers.len()) == (409, 2, 2) { Ok(()) } else { Err(problem.to_string()) }
    })
    .await;
    let path = "/v1/rollouts/autosave/approvals";
    let approve = async |by: &str, role: &str, phase: &str| {
        stack.post("reporter", path, &json!({ "by": by, "role": role, "phase": phase })).await
    };
    assert_eq!(approve("ana", "sre", "B").await.0, 409, "not the phase to leave");
    stack.act(path, &json!({ "by": "ana", "role": "sre", "phase": "A" })).await;
    let (status, refused) = approve("ana", "dev-lead", "A").await;
    assert_eq!(
        (status, &refused["blockers"][0]["code"]),
        (409, &json!("approval_by_same_person")),
        "{refused}"
    );
    stack.act(path, &json!({ "by": "ben", "role": "dev-lead", "phase": "A" })).await;
}

/// PH-2, PH-5, GO-1, GO-2, GO-3, RB-1 and source §6.1: a compliant A, the approvals, B, a violation, the rollback, the
/// recovery; nobody finds the cause in time, so the review opens, governance approves, and the target goes back one phase
/// though the incident has recovered.
#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_analysis_takes_the_target_back_one_phase() {
    let vendors = Vendors::start().await;
    let policy = policy("acknowledge_within: 15s, escalate_after: 30m", "14s")
        .replace("compliant_batches: 2, approvals: []", "compliant_batches: 2, approvals: [sre, dev-lead]");
    let stack = Stack::start(Layout::OneOnSqlite, &policy, &vendors.environment()).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    super::begin(&stack).await;
    approved_by_two(&stack).await;
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;
    super::back_from_b(&stack, &feeder).await;

    let incident = until_incident(&stack, "the review", |it| it["review"]["state"] == "open").await;
    assert_eq!(
        (&incident["state"], &incident["rca"]["state"]),
        (&json!("recovered"), &json!("draft")),
        "{incident}"
    );
    let file = stack.data_file(incident["rca"]["file"].as_str().expect("a file"));
    let prepared = std::fs::read_to_string(&file).expect("the prepared file");
    assert!(prepared.contains("save_latency_p95") && prepared.contains("command_finished"), "{prepared}");
    vendors.until_message("has to decide / recommendation: go back from A to off").await;

    let path = format!("/v1/incidents/{}", incident["id"].as_str().expect("an id"));
    let put = |body: Value| stack.http.put(stack.url("reporter", &format!("{path}/rca"))).json(&body).send();
    let unfinished = put(json!({ "by": "ana" })).await.expect("an answer");
    assert_eq!(unfinished.status().as_u16(), 422, "the template's text is no analysis");

    let ruling = json!({ "approve": true, "comment": "no cause known", "by": "governance" });
    let decided = stack.act(&format!("{path}/review"), &ruling).await;
    assert_eq!(decided["review"]["state"], "approved");
    stack.until_phase("off", "off").await;
    assert_eq!(stack.phase_changes(), ["off A", "A B", "B A", "A off"], "{}", stack.logs());
    assert_eq!(vendors.messages_with("no RCA of").len(), 1, "announced once");

    let finding = json!({ "cause": "the lock", "prevention": "shard it", "by": "ana" });
    let late: Value = put(finding).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(
        (&late["rca"]["state"], &late["rca"]["in_time"]),
        (&json!("submitted"), &json!(false)),
        "{late}"
    );
    let own = json!({ "comment": "RCA confirmed", "by": "ana" });
    let (status, _) = stack.post("reporter", &format!("{path}/rca/confirmation"), &own).await;
    assert_eq!(status, 409, "nobody confirms their own");
    let confirmation = json!({ "comment": "RCA confirmed", "by": "governance" });
    let closed = stack.act(&format!("{path}/rca/confirmation"), &confirmation).await;
    assert_eq!(closed["state"], "closed");
    wait::until("the cause in the file", || async {
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        if text.contains("the lock") && text.contains("shard it") { Ok(()) } else { Err(text) }
    })
    .await;
    feeder.stop().await;
}
