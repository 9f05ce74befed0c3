//! A rollout whose telemetry a real Prometheus scrapes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use phasegate_sources::policy::{FAST, FILES, changed};
use phasegate_sources::prometheus::Prometheus;
use phasegate_sources::story::rolls_back_once_and_recovers;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;

/// An app that saves, and fails at it while the flag serves B and it is told to.
#[derive(Default)]
struct App {
    saves: AtomicU64,
    errors: AtomicU64,
    violates: AtomicBool,
    flag: OnceLock<PathBuf>,
}

impl App {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let app = Arc::new(Self::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(&app));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let working = Arc::clone(&app);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                let counter = if working.violates() { &working.errors } else { &working.saves };
                counter.fetch_add(3, Ordering::Relaxed);
            }
        });
        (app, address)
    }

    fn violates(&self) -> bool {
        let serves_b =
            || self.flag.get().is_some_and(|file| fs::read_to_string(file).is_ok_and(|it| it.trim() == "B"));
        self.violates.load(Ordering::Relaxed) && serves_b()
    }
}

/// The error's series is not there before the first error.
async fn metrics(State(app): State<Arc<App>>) -> String {
    let (saves, errors) = (app.saves.load(Ordering::Relaxed), app.errors.load(Ordering::Relaxed));
    let mut text = format!(
        "# TYPE saves_total counter\nsaves_total {saves}\n# TYPE drift_total counter\ndrift_total 0\n"
    );
    if errors > 0 {
        text.push_str(&format!("# TYPE errors_total counter\nerrors_total{{reason=\"E_LOCK\"}} {errors}\n"));
    }
    text
}

/// The policy of the other stories, whose events a server has counted. No counter has durations.
fn policy(server: &str) -> String {
    let source = format!(
        "prometheus: {{ url: \"{server}\", settle: 800ms, lookback: 10s, up: 'up{{job=\"shop\"}}', counters: {{ \
         autosave.save.completed: {{ series: saves_total }}, autosave.history.drift: {{ series: drift_total }}, \
         autosave.save.error: {{ series: errors_total, breakdown: {{ code: reason }}, absent: zero }} }} }}"
    );
    let unmeasured = |line: &&str| !line.contains("quantile: 0.95");
    let fast: Vec<&str> = FAST.lines().filter(unmeasured).collect();
    changed(
        &(fast.join("\n") + "\n"),
        &[
            (FILES, &format!("{{ {source} }}")),
            ("grace: 200ms", "grace: 800ms"),
            ("save_latency_p95: rollback, ", ""),
            ("save_latency_p95: 2.5s, ", ""),
            ("save_latency_p95: 2.0s, ", ""),
            ("save_latency_p95: 1.8s, ", ""),
            ("p95: save_latency_p95", "p95: error_rate"),
            ("gaps: { tolerated: 0, blind: rollback }", "gaps: { tolerated: 3, blind: page }"),
            ("collector_latency: rollback", "collector_latency: page"), // a scrape may come late on a busy machine
        ],
    )
}

/// DE-3, RB-1, RB-6: A → B, a violation in B that only Prometheus knows of, one rollback, recovery.
#[tokio::test(flavor = "multi_thread")]
async fn a_violation_that_prometheus_saw_rolls_back_once_and_recovers() {
    let (app, address) = App::start().await;
    let server = Prometheus::scraping(address).await.unwrap();
    wait::until("the first scrape", || async {
        server.value("saves_total", None).await.map_err(|error| error.to_string())
    })
    .await;
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::OneOnSqlite, &policy(&server.url), &vendors.environment()).await;

    app.flag.set(stack.flag_file()).unwrap();
    rolls_back_once_and_recovers(&stack, &vendors, || app.violates.store(true, Ordering::Relaxed)).await;
}
