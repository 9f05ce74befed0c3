//! One rollout from start to recovery, in both layouts.

use std::fs;

use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

pub(crate) const POLICY: &str = include_str!("../../fixtures/policy.fast.yaml");

/// PH-6, DE-3, RB-1, RB-6, DA-3 and source §7: A → B, a violation in B, one rollback, recovery.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_in_b_rolls_back_to_a_once_and_recovers_on_postgres() {
    plays_the_story(Layout::ThreeOnPostgres).await;
}

/// The same in one process on SQLite.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_in_b_rolls_back_to_a_once_and_recovers_in_one_process() {
    plays_the_story(Layout::OneOnSqlite).await;
}

async fn plays_the_story(layout: Layout) {
    let vendors = Vendors::start().await;
    let stack = Stack::start(layout, POLICY, &vendors.environment()).await;
    let feeder = Feeder::start(&stack.url("collector", ""));

    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;
    assert_eq!(stack.served_phase(), "B");
    vendors.until_message("✅ AutoSave B OK").await;

    feeder.violate(true);
    stack.until_dashboard("the banner", |target| target["rollback_active"] == true).await;
    stack.until_phase("A", "incident").await;
    feeder.violate(false);
    stack.until_phase("A", "running").await;
    stack.until_dashboard("the banner to go", |target| target["rollback_active"] == false).await;
    feeder.stop().await;

    assert_eq!(stack.phase_changes(), ["off A", "A B", "B A"], "{}", stack.logs());
    let incidents = stack.get("reporter", "/v1/incidents").await.expect("the incidents");
    let items = incidents["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{incidents}");
    assert_eq!(items[0]["state"], "recovered");
    assert_eq!(items[0]["rollback"]["state"], "succeeded");
    assert_eq!(vendors.messages_with("🚨 AutoSave B violation").len(), 1);
    assert_eq!(vendors.pagerduty.incidents().len(), 1);
    let runbook = fs::read_to_string(stack.data_file("reports/runbook.jsonl")).expect("the runbook log");
    assert_eq!(runbook.matches("Rollback invoked").count(), 1, "{runbook}");
    // The file rests after it was written, the longer the slower the disk is.
    wait::until("the banner to go from the file", || async {
        let file = fs::read_to_string(stack.data_file("reports/monitoring/dashboard.json"));
        let file: Value = serde_json::from_str(&file.expect("dashboard.json")).expect("JSON");
        if file["targets"][0]["rollback_active"] == false { Ok(()) } else { Err(file) }
    })
    .await;
}
