//! Nothing can be collected, or nobody judges it: an incident at once, and a line that says so.

use std::fs;

use phasegate_tests::feeder::push_body;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

use super::begin;
use crate::story::POLICY;

/// CO-5, SLO-8, ES-2, DE-3, TE-5: a source that cannot be read any more, then an analyzer that is away.
#[tokio::test(flavor = "multi_thread")]
async fn exhausted_retries_open_an_incident_at_once_and_stand_in_the_file() {
    let vendors = Vendors::start().await;
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &vendors.environment()).await;
    begin(&stack).await;
    // Matches the policy's glob and cannot be read, whoever tries.
    let broken = stack.telemetry_directory().join("broken.jsonl");
    std::os::unix::fs::symlink(&broken, &broken).expect("a link to itself");
    stack.until_phase("off", "off").await;
    let failures = retry_failures(&stack, 1).await;
    assert_eq!((&failures[0]["failing"], &failures[0]["attempts"]), (&json!("source"), &json!(5)));
    assert!(
        failures[0]["cause"].as_str().is_some_and(|cause| cause.contains("broken.jsonl")),
        "{failures:?}"
    );
    the_newest_incident_is_of_exhausted_retries(&stack, &vendors, 1).await;
    let ready = stack.get("collector", "/readyz").await.expect("it can still take pushes");
    assert!(ready.to_string().contains("broken.jsonl"), "{ready}");
    // What was there besides is counted once the source is whole again.
    fs::write(stack.telemetry_directory().join("more.jsonl"), push_body(300, 7)).expect("telemetry");
    fs::remove_file(&broken).expect("the link goes");
    until_archived(&stack, 7).await;

    begin(&stack).await;
    stack.kill("analyzer-svc");
    let failures = retry_failures(&stack, 2).await;
    assert_eq!((&failures[1]["failing"], &failures[1]["attempts"]), (&json!("analyzer"), &json!(5)));
    stack.launch("analyzer-svc");
    stack.until_healthy("analyzer").await;
    stack.until_phase("off", "off").await;
    the_newest_incident_is_of_exhausted_retries(&stack, &vendors, 2).await;
    assert_eq!(stack.phase_changes(), ["off A", "A off", "off A", "A off"], "{}", stack.logs());
}

async fn retry_failures(stack: &Stack, count: usize) -> Vec<Value> {
    wait::until("lines in retry_failures.jsonl", || async {
        let file = stack.data_file("reports/monitoring/retry_failures.jsonl");
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect();
        if lines.len() == count { Ok(lines) } else { Err(text) }
    })
    .await
}

async fn the_newest_incident_is_of_exhausted_retries(stack: &Stack, vendors: &Vendors, count: usize) {
    let incidents = stack.get("reporter", "/v1/incidents").await.expect("the incidents");
    let items = incidents["items"].as_array().expect("a list");
    assert_eq!(items.len(), count, "{incidents}");
    let newest = items[0]["id"].as_str().expect("an id");
    let newest = stack.get("reporter", &format!("/v1/incidents/{newest}")).await.expect("the incident");
    let opening = newest["decisions"][0].as_str().unwrap_or_else(|| panic!("no decision: {newest}"));
    let decision = stack.get("analyzer", &format!("/v1/decisions/{opening}")).await.expect("the decision");
    assert_eq!(
        (&decision["cause"], &decision["verdict"]),
        (&json!("retry_exhausted"), &json!("violation")),
        "{decision}"
    );
    assert!(
        vendors.pagerduty.wait_until(wait::PATIENCE, |it| it.len() == count).await,
        "{:?}",
        vendors.pagerduty.incidents()
    );
    let said = |messages: &[phasegate_tests::doubles::SlackMessage]| {
        messages.iter().filter(|it| it.channel == "#incident-autosave").count() == count
    };
    assert!(vendors.slack.wait_until(wait::PATIENCE, said).await, "{:?}", vendors.slack.messages());
}

async fn until_archived(stack: &Stack, saves: u64) {
    wait::until("the telemetry to be counted", || async {
        let (counted, windows) = crate::kills::archived(stack);
        if counted == saves { Ok(()) } else { Err(format!("{counted} of {saves} in {windows} windows")) }
    })
    .await;
}
