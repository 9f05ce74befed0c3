//! What has to be there after an incident before a phase moves up again.

use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

use crate::story::POLICY;

const CHECKLIST: &str = "
    evidence:
      - { item: pagerduty,   owner: sre,         auto: true }
      - { item: retry_log,   owner: sre }
      - { item: rca,         owner: governance,  auto: true }
      - { item: dashboard,   owner: sre,         auto: true }
      - { item: release,     owner: release-ops, after: [pagerduty, retry_log, rca, dashboard] }
";

fn policy() -> String {
    let rca = "overdue: { propose: rollback } }\n";
    let text = POLICY.replace(rca, &format!("{}{CHECKLIST}", rca.trim_end()));
    assert_ne!(text, POLICY);
    text
}

/// What is missing of the evidence, as the refused promotion says.
async fn missing(stack: &Stack) -> String {
    let (status, problem) =
        stack.post("reporter", "/v1/rollouts/autosave/promotions", &json!({ "by": "rel" })).await;
    assert_eq!(status, 409, "{problem}");
    let blockers = problem["blockers"].as_array().expect("blockers");
    let found = blockers.iter().find(|it| it["code"] == "evidence_incomplete");
    found.unwrap_or_else(|| panic!("{problem}"))["detail"].as_str().expect("a text").to_owned()
}

async fn sign(stack: &Stack, path: &str, item: &str, body: Value) -> (u16, Value) {
    let url = stack.url("reporter", &format!("{path}/evidence/{item}"));
    let answer = stack.http.put(url).json(&body).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// PH-5, EV-1, EV-2, EV-3: an incident, and nothing moves up until its evidence is complete, the release last.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_up_before_the_evidence_is_complete() {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::OneOnSqlite, &policy(), &vendors.environment()).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    super::begin(&stack).await;
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;
    feeder.violate(true);
    stack.until_phase("A", "incident").await;
    let incidents = stack.get("reporter", "/v1/incidents").await.expect("the incidents");
    let path = format!("/v1/incidents/{}", incidents["items"][0]["id"].as_str().expect("an id"));
    stack.act(&format!("{path}/acknowledgement"), &json!({ "by": "ana" })).await;
    feeder.violate(false);
    stack.until_phase("A", "running").await;

    let evidence = format!("{path}/evidence");
    wait::until("the page's own check", || async {
        let found = stack.get("reporter", &evidence).await?;
        if found["items"][0]["state"] == "satisfied" { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    let line = missing(&stack).await;
    assert!(
        line.ends_with(": retry_log (sre), rca (governance), dashboard (sre), release (release-ops)"),
        "{line}"
    );
    let (status, refused) = sign(&stack, &path, "release", json!({ "by": "rel" })).await;
    assert_eq!((status, refused["blockers"].as_array().map(Vec::len)), (409, Some(3)), "{refused}");
    assert_eq!(sign(&stack, &path, "retry_log", json!({ "by": "ana" })).await.0, 200);
    let reviewed = json!({ "by": "ben", "comment": "no message of phase A; the cards are right" });
    assert_eq!(sign(&stack, &path, "dashboard", reviewed).await.0, 200);
    let finding = json!({ "cause": "the lock", "prevention": "shard it", "by": "ana" });
    let url = stack.url("reporter", &format!("{path}/rca"));
    assert!(stack.http.put(url).json(&finding).send().await.expect("an answer").status().is_success());
    let confirmation = json!({ "comment": "RCA confirmed", "by": "gov" });
    stack.act(&format!("{path}/rca/confirmation"), &confirmation).await;
    let line = missing(&stack).await;
    assert!(line.ends_with(": release (release-ops)"), "{line}");
    let (status, signed) = sign(&stack, &path, "release", json!({ "by": "rel" })).await;
    assert_eq!(status, 200, "{signed}");
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;
    assert_eq!(stack.phase_changes(), ["off A", "A B", "B A", "A B"], "{}", stack.logs());
    feeder.stop().await;
}
