//! Collector latency tried by hand, and the latency fixture (source §7.1 and §7.4.1).

use std::collections::BTreeMap;
use std::fs;

use phasegate_tests::cli;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use serde_json::{Value, json};

use crate::story::POLICY;

const FIXTURE: &str = "tests/fixtures/collector/autosave_latency.json";
const WINDOW_MS: i64 = 900_000;

/// CO-8, SLO-2, DE-2, source §7.1: a batch that came 180 s late is at the limit of phase A, so Slack is warned.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_latency_of_180_s_warns_in_slack() {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &vendors.environment()).await;
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    let epoch = stack.until_phase("A", "running").await["epoch"].to_string();
    let output = stack.directory.path().join("batch.jsonl");
    let file = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let policy = file(&stack.directory.path().join("policy.yaml"));
    let ran = cli::phasegate(
        &[
            &["collect", "--target", "autosave", "--phase", "A", "--epoch", &epoch, "--window", "15m"][..],
            &["--source", "tests/fixtures/autosave_phaseA_ok.jsonl", "--output", &file(&output)],
            &["--simulate-latency", "180s", "--policy", &policy],
        ]
        .concat(),
    );
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let line = fs::read_to_string(output).expect("the batch");
    let batch: Value = serde_json::from_str(&line).expect("one line of JSON");
    assert_eq!(batch["collector_latency_ms"], 180_000);

    let (status, decision) = stack.post("analyzer", "/v1/batches", &batch).await;
    assert_eq!((status, &decision["verdict"]), (201, &json!("warn")), "{decision}");
    let text = vendors.until_message("⚠️ AutoSave A nearing limits").await;
    assert!(text.ends_with("action=watch\ncollector_latency: 180 s, at most 180 s"), "{text}");
    let warned = vendors.slack.messages_in("#autosave-rollout");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(stack.phase_changes(), ["off A"], "nobody was rolled back");
}

/// The fixture's durations by window, in order, read without any code of the product.
fn durations() -> BTreeMap<i64, Vec<f64>> {
    let text = fs::read_to_string(cli::workspace().join(FIXTURE)).expect("the fixture");
    let events: Vec<Value> = serde_json::from_str(&text).expect("an array");
    let mut windows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for event in events {
        let ts: jiff::Timestamp = event["ts"].as_str().expect("a ts").parse().expect("a time");
        let window = windows.entry(ts.as_millisecond() / WINDOW_MS).or_default();
        window.extend(event["duration_ms"].as_f64());
    }
    windows.values_mut().for_each(|durations| durations.sort_by(f64::total_cmp));
    windows
}

/// SLO-2, source §7.4.1: p95 of each 15-minute window, never above the exact nearest-rank value and at most
/// 0.1 % below.
#[test]
fn the_latency_fixture_has_its_p95_in_each_window() {
    let mut with_saves = 0;
    for (window, exact) in durations() {
        let start = jiff::Timestamp::from_millisecond(window * WINDOW_MS).expect("a time").to_string();
        let ran = cli::phasegate(
            &[
                &["collect", "--target", "autosave", "--phase", "A", "--window", "15m"][..],
                &["--source", FIXTURE, "--at", &start],
            ]
            .concat(),
        );
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let batch: Value = serde_json::from_str(&ran.out).expect("one line of JSON");
        let saves = &batch["distributions"]["autosave.save.completed"];
        let Some(rank) = (exact.len() * 95).div_ceil(100).checked_sub(1) else {
            assert!(saves.is_null(), "{batch}");
            continue;
        };
        with_saves += 1;
        let p95 = saves["p95"].as_f64().expect("a p95");
        assert!(p95 <= exact[rank] && p95 >= exact[rank] * 0.999, "{p95} for {}", exact[rank]);
        assert_eq!(saves["count"], exact.len());
    }
    assert_eq!(with_saves, 2);
}
