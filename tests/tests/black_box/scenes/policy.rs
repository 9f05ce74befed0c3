//! PO-2: the policy's file changes under a running guard.

use std::fs;
use std::time::Duration;

use phasegate_tests::cli;
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;
use serde_json::Value;

use super::begin;
use crate::story::POLICY;

/// Wide enough for any machine; the change makes the first limit lower, which nobody reaches.
const BEFORE: (&str, &str) =
    ("save_latency_p95: 2.5s, error_rate: 1.0%", "save_latency_p95: 60s, error_rate: 90%");
const AFTER: (&str, &str) = ("save_latency_p95: 60s", "save_latency_p95: 50s");

/// PO-2 in three processes on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_in_force_with_the_next_window_on_postgres() {
    plays_the_scene(Layout::ThreeOnPostgres).await;
}

/// The same in one process on SQLite.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_is_in_force_with_the_next_window_in_one_process() {
    plays_the_scene(Layout::OneOnSqlite).await;
}

async fn plays_the_scene(layout: Layout) {
    let policy = POLICY.replace(BEFORE.0, BEFORE.1).replace("grace: 200ms", "grace: 600ms");
    let stack = Stack::start(layout, &policy, &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    begin(&stack).await;
    let (file, before) = (stack.directory.path().join("policy.yaml"), versions(&stack).await);
    let text = fs::read_to_string(&file).expect("the policy");

    // A broken file: every service says so, none stops.
    fs::write(&file, text.replace("warn_ratio: 80%", "warn_ratio: 180%")).expect("written");
    for service in SERVICES {
        until_refused(&stack, service, "targets.autosave.gate.warn_ratio").await;
    }
    assert_eq!(versions(&stack).await, before, "the old one stays in force");

    // Half of the new one, then all of it.
    let stricter = text.replace(AFTER.0, AFTER.1);
    fs::write(&file, &stricter[..stricter.len() / 2]).expect("written");
    fs::write(&file, &stricter).expect("written");
    let changed = wait::until("all services to go by the new version", || async {
        let now = versions(&stack).await;
        let agree = now.windows(2).all(|pair| pair[0] == pair[1]) && now != before;
        if agree { Ok(now[0].clone()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let from =
        stack.get("analyzer", "/v1/policies").await.expect("versions")["items"][0]["in_force_from"].clone();
    let from = from.as_str().expect("a time").to_owned();

    let decisions = wait::until("two windows that began after it", || async {
        let decisions = stack.get("analyzer", "/v1/decisions?target=autosave&limit=100").await?;
        let items = decisions["items"].as_array().cloned().unwrap_or_default();
        let after = items.iter().filter(|it| begins(it) >= from).count();
        if after >= 2 { Ok(items) } else { Err(format!("{after}")) }
    })
    .await;
    feeder.stop().await;
    for decision in &decisions {
        let (new, limit) = (begins(decision) >= from, decision["metrics"][0]["threshold"].as_f64());
        assert_eq!(limit, Some(if new { 50.0 } else { 60.0 }), "{from}: {decision}");
        let version = if new { &changed } else { &before[1] };
        assert_eq!(decision["policy_version"], version.as_str(), "{from}: {decision}");
    }
    no_window_is_missing(&decisions);
    the_old_version_is_kept(&stack, &file, &before[1]).await;
}

fn begins(decision: &Value) -> String {
    decision["window"]["start"].as_str().expect("a start").to_owned()
}

/// What each service goes by.
async fn versions(stack: &Stack) -> Vec<String> {
    let mut versions = Vec::new();
    for service in SERVICES {
        let page = stack.get(service, "/v1/policies?limit=1").await.expect("versions");
        versions.push(page["items"][0]["version"].as_str().expect("a version").to_owned());
    }
    versions
}

async fn until_refused(stack: &Stack, service: &str, place: &str) {
    wait::until(&format!("{service} to refuse it"), || async {
        let ready = stack.get(service, "/readyz").await?;
        let refused = ready["ready"] == true && ready.to_string().contains(place);
        if refused { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
}

/// CO-1: the collector never stopped: windows follow each other without a gap, each with its batch.
fn no_window_is_missing(decisions: &[Value]) {
    let mut windows: Vec<(String, String)> = decisions
        .iter()
        .map(|it| (begins(it), it["window"]["end"].as_str().expect("an end").to_owned()))
        .collect();
    windows.sort();
    for pair in windows.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "{windows:?}");
    }
    assert!(decisions.iter().all(|it| it["cause"] == "slo"), "{decisions:?}");
}

/// SLO-10: what was decided under it stays explained; the command line compares it with the file.
async fn the_old_version_is_kept(stack: &Stack, file: &std::path::Path, version: &str) {
    for service in SERVICES {
        let kept = stack.get(service, &format!("/v1/policies/{version}")).await.expect("the old version");
        assert!(kept["policy"].as_str().is_some_and(|text| text.contains("save_latency_p95: 60s")), "{kept}");
        assert!(kept["in_force"][0]["until"].is_string(), "{kept}");
    }
    let mut command = cli::command("phasegate");
    command.args(["policy", "diff", &version[..15], &file.display().to_string()]);
    command.arg("--analyzer-url").arg(stack.url("analyzer", ""));
    let ran = tokio::task::spawn_blocking(move || cli::run(&mut command));
    let ran = tokio::time::timeout(Duration::from_secs(30), ran).await.expect("in time").expect("it ran");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.out.contains("autosave phase A: save_latency_p95 ≤ 60 s → ≤ 50 s (stricter)"), "{ran:?}");
}
