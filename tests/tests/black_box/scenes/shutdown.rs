//! SIGTERM: every service ends well and soon, whatever it is doing, and nothing is lost.

use std::fs;
use std::time::{Duration, Instant};

use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use serde_json::json;

use crate::kills::until_all_is_counted;
use crate::story::POLICY;

/// Longer than calls under way and effects may take.
const SOON: Duration = Duration::from_secs(20);

/// TE-5: what was accepted is counted, though each service is stopped and started while telemetry flows.
#[tokio::test(flavor = "multi_thread")]
async fn services_stop_gracefully_and_lose_nothing() {
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    for (name, service) in
        [("collector-svc", "collector"), ("analyzer-svc", "analyzer"), ("reporter-svc", "reporter")]
    {
        ends_well(&mut stack, name);
        stack.launch(name);
        stack.until_healthy(service).await;
    }
    let accepted = feeder.stop().await;
    until_all_is_counted(&stack, accepted).await;
    // The reporter takes the others' last messages, the analyzer the collector's.
    for name in ["collector-svc", "analyzer-svc", "reporter-svc"] {
        ends_well(&mut stack, name);
    }
    assert_eq!(stack.phase_changes(), ["off A"], "a restart is no violation");
}

/// RB-3, RB-4, DE-5: a command that the stop interrupts is run again, and its retries are not used up by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_a_stop_interrupts_is_finished_afterwards() {
    let mut stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    let slow = stack.flag_file().with_extension("slow");
    fs::write(&slow, "4").expect("a slow flag system");
    feeder.violate(true);
    wait::until("the rollback to be under way", || async {
        if stack.journal().contains(&"off attempt".to_owned()) { Ok(()) } else { Err("not yet") }
    })
    .await;
    ends_well(&mut stack, "reporter-svc");
    fs::remove_file(slow).expect("a fast one again");
    stack.launch("reporter-svc");
    stack.until_healthy("reporter").await;
    stack.until_phase("off", "off").await;
    feeder.stop().await;
    assert_eq!(stack.phase_changes(), ["off A", "A off"], "in effect once");
    let effects = stack.get("reporter", "/v1/effects?kind=RunTransition&limit=1").await.expect("effects");
    let rollback = &effects["items"][0];
    assert_eq!((&rollback["state"], &rollback["failures"]), (&json!("done"), &json!(0)), "{rollback}");
}

fn ends_well(stack: &mut Stack, name: &str) {
    let asked = Instant::now();
    let status = tokio::task::block_in_place(|| stack.terminate(name));
    assert_eq!(status, Some(0), "{name}: {}", stack.logs());
    assert!(asked.elapsed() < SOON, "{name} took {:?}", asked.elapsed());
}
