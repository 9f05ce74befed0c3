//! A rollout whose telemetry the OpenTelemetry SDKs of Python and JavaScript send.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phasegate_sources::app::{App, Language, Told};
use phasegate_sources::policy::{FAST, FILES, changed, of_sdk};
use phasegate_sources::story::rolls_back_once_and_recovers;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;

/// The policy of a story with one target.
fn policy() -> String {
    // An export may come late on a busy machine.
    changed(
        FAST,
        &[
            (FILES, &of_sdk("shop")),
            ("gaps: { tolerated: 0, blind: rollback }", "gaps: { tolerated: 3, blind: page }"),
            ("collector_latency: rollback", "collector_latency: page"),
        ],
    )
}

/// DE-3, RB-1, RB-6: A → B, a violation in B that only an SDK tells of, one rollback, recovery.
async fn a_violation_rolls_back_once_and_recovers(language: Language, temporality: &str) {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::OneOnSqlite, &policy(), &vendors.environment()).await;
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
