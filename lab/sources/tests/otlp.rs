//! What the OpenTelemetry SDKs of Python and JavaScript send, counted to the event.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phasegate_sources::app::{App, Language, Told};
use phasegate_sources::story::rolls_back_once_and_recovers;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

const FAST: &str = include_str!("../../../tests/fixtures/policy.fast.yaml");

/// A target for each way to tell.
const TOLD: [Told<'static>; 6] = [
    told(Language::Python, "metrics", "delta", "python-delta"),
    told(Language::Python, "metrics", "cumulative", "python-cumulative"),
    told(Language::Python, "logs", "delta", "python-logs"),
    told(Language::Python, "spans", "delta", "python-spans"),
    told(Language::JavaScript, "metrics", "delta", "javascript-delta"),
    told(Language::JavaScript, "metrics", "cumulative", "javascript-cumulative"),
];

const fn told(
    language: Language,
    signal: &'static str,
    temporality: &'static str,
    service: &'static str,
) -> Told<'static> {
    Told { language, signal, temporality, service, interval_ms: 600_000 }
}

/// What is counted of an app's telemetry.
fn source(service: &str) -> String {
    let of = "{ otlp: { match: { service.name: SERVICE }, distributions: { autosave.save.completed: { metric: save.duration } }, \
         counters: { autosave.save.error: { metric: saves.failed, breakdown: { code: error.type } } }, \
         spans: { save: { completed: autosave.save.completed, error: autosave.save.error } }, logs: {} } }";
    of.replace("SERVICE", service)
}

/// The policy of the other stories, once for each service.
fn policy<'s>(services: impl Iterator<Item = &'s str>) -> String {
    let (head, rest) = FAST.split_once("  autosave:\n").unwrap();
    let (target, tail) = rest.split_once("\nretention").unwrap();
    let files = "{ jsonl: { paths: [\"@TELEMETRY@/*.jsonl\"] } }";
    // What a collector that was killed could not take comes a second later.
    let target = changed(
        target,
        &[
            ("window: 2s", "window: 10s"),
            ("grace: 200ms", "grace: 5s"),
            ("watch: 6s, cadence: 1s", "watch: 20s, cadence: 6s"),
            ("over: 8s", "over: 40s"),
        ],
    );
    let of = |service: &str| format!("  {service}:\n{}", target.replace(files, &source(service)));
    let targets: Vec<String> = services.map(of).collect();
    format!("{head}{}\nretention{tail}", targets.join("\n"))
}

/// What the batches of a target's archive have counted.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    saves: u64,
    errors: u64,
    by_code: BTreeMap<String, u64>,
    /// Durations that are known, exactly or by bounds.
    durations: u64,
}

fn counted(folder: &Path) -> Counted {
    let mut counted = Counted::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let batch: Value = serde_json::from_str(line).unwrap();
            let number = |value: &Value| value.as_u64().unwrap_or(0);
            counted.saves += number(&batch["counters"]["autosave.save.completed"]);
            counted.errors += number(&batch["counters"]["autosave.save.error"]);
            for (code, count) in
                batch["breakdowns"]["autosave.save.error"]["code"].as_object().into_iter().flatten()
            {
                *counted.by_code.entry(code.clone()).or_default() += number(count);
            }
            counted.durations += number(&batch["distributions"]["autosave.save.completed"]["count"]);
            for interval in batch["buckets"]["autosave.save.completed"].as_array().into_iter().flatten() {
                // A delta says how long its longest took.
                assert!(interval[0] == 500.0 && (interval[1] == 640.0 || interval[1] == 1000.0), "{batch}");
                counted.durations += number(&interval[2]);
            }
            assert_eq!((&batch["source"], &batch["intake"]["late"]), (&json!("otlp"), &json!(0)), "{batch}");
        }
    }
    counted
}

/// TE-1, TE-4, TE-5: the same workload told by metrics (delta and cumulative), logs and spans, in two languages, is counted alike
/// and to the event, while the collector is killed again and again.
#[tokio::test(flavor = "multi_thread")]
async fn one_workload_is_counted_alike_however_it_is_told() {
    let vendors = Vendors::start().await;
    let policy = policy(TOLD.iter().map(|it| it.service));
    let mut stack = Stack::start(Layout::ThreeOnPostgres, &policy, &vendors.environment()).await;
    let endpoint = stack.url("collector", "");
    let endpoint = endpoint.trim_end_matches('/');
    let mut apps: Vec<App> = TOLD.iter().map(|told| App::start(*told, endpoint).unwrap()).collect();
    let mut expected = Counted::default();
    for round in 1..=KILLS {
        let (saves, errors) = (100 + round * 7, round % 5);
        expected.saves += saves;
        expected.durations += saves;
        expected.errors += errors;
        let code = if round % 2 == 0 { "E_LOCK" } else { "E_IO" };
        if errors > 0 {
            *expected.by_code.entry(code.to_owned()).or_default() += errors;
        }
        for app in &mut apps {
            app.tell(&format!("save {saves}\nfail {code} {errors}\nflush")).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(round * 37 % 90)).await;
        stack.kill("collector-svc");
        stack.launch("collector-svc");
        stack.until_healthy("collector").await;
        for (app, told) in apps.iter_mut().zip(TOLD) {
            tokio::task::block_in_place(|| app.flushed())
                .unwrap_or_else(|error| panic!("{}: {error}", told.service));
        }
    }
    for told in TOLD {
        let folder = stack.data_file(&format!("logs/{}", told.service));
        wait::until(told.service, || async {
            let found = counted(&folder);
            if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
        })
        .await;
    }
}

/// Rounds, in each of which the collector is killed.
const KILLS: u64 = 20;

/// The policy of a story with one target.
fn story() -> String {
    let files = "{ jsonl: { paths: [\"@TELEMETRY@/*.jsonl\"] } }";
    let policy = FAST.replace(files, &source("shop"));
    // An export may come late on a busy machine.
    changed(
        &policy,
        &[
            ("gaps: { tolerated: 0, blind: rollback }", "gaps: { tolerated: 3, blind: page }"),
            ("collector_latency: rollback", "collector_latency: page"),
        ],
    )
}

fn changed(policy: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(policy.to_owned(), |policy, (from, to)| {
        assert!(policy.contains(from), "{from}");
        policy.replace(from, to)
    })
}

/// DE-3, RB-1, RB-6: A → B, a violation in B that only an SDK tells of, one rollback, recovery.
async fn a_violation_rolls_back_once_and_recovers(language: Language, temporality: &str) {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::OneOnSqlite, &story(), &vendors.environment()).await;
    let endpoint = stack.url("collector", "");
    let told = Told { language, signal: "metrics", temporality, service: "shop", interval_ms: 200 };
    let mut app = App::start(told, endpoint.trim_end_matches('/')).unwrap();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let violates = Arc::new(AtomicBool::new(false));
    let (flag, told_to) = (stack.flag_file(), Arc::clone(&violates));
    let working = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = stopped.changed() => return,
            }
            let serves_b = fs::read_to_string(&flag).is_ok_and(|it| it.trim() == "B");
            let fails = serves_b && told_to.load(Ordering::Relaxed);
            app.tell(if fails { "fail E_LOCK 3" } else { "save 3" }).unwrap();
        }
    });

    rolls_back_once_and_recovers(&stack, &vendors, || violates.store(true, Ordering::Relaxed)).await;
    stop.send(true).unwrap();
    working.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_that_python_told_of_rolls_back_once_and_recovers() {
    a_violation_rolls_back_once_and_recovers(Language::Python, "cumulative").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_that_javascript_told_of_rolls_back_once_and_recovers() {
    a_violation_rolls_back_once_and_recovers(Language::JavaScript, "delta").await;
}
