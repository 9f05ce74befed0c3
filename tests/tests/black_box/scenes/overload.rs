//! More telemetry than the collector can take: it is put off before memory grows, and the guard does its work meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use serde_json::Value;
use shared_types::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::begin;
use crate::kills::until_all_is_counted;
use crate::story::POLICY;

/// Pushes under way at once, which together offer six times what bodies may hold.
const CONNECTIONS: usize = 96;
const BODY_BYTES: usize = 4 << 20;
/// Just below the longest line.
const LINE_BYTES: usize = 60 << 10;
/// Two floods at once would try the machine.
static ONE_FLOOD: Mutex<()> = Mutex::const_new(());
/// Until a push among so many others is accepted.
const PATIENCE: Duration = Duration::from_secs(300);
/// What the collector's process may hold at its peak: the 64 MiB of bodies, as much again while each is put together, what is
/// made of them, and its own needs.
const MEMORY_MAX: u64 = 320 << 20;

/// CO-8, DE-3 and overload: three processes.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_put_off_and_keeps_no_rollback_waiting_on_postgres() {
    withstands_a_flood(Layout::ThreeOnPostgres).await;
}

/// The same in one process, where data and control share everything but their budgets.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_put_off_and_keeps_no_rollback_waiting_in_one_process() {
    withstands_a_flood(Layout::OneOnSqlite).await;
}

/// TE-5: the violation is judged and rolled back while the flood goes on, what was accepted is counted once, and memory stays
/// within its bound.
async fn withstands_a_flood(layout: Layout) {
    let _turn = ONE_FLOOD.lock().await;
    let stack =
        Stack::start(layout, POLICY, &[("RUST_LOG", "info,service_kit::http::connection=trace".to_owned())])
            .await;
    begin(&stack).await;
    let flood = Flood::start(&stack.url("collector", "/v1/targets/autosave/events"));
    wait::until("the flood to be put off", || async {
        let (accepted, refused) = flood.so_far();
        let both = accepted > 0 && refused > 0;
        if both { Ok(()) } else { Err(format!("{accepted} events accepted, {refused} pushes put off")) }
    })
    .await;
    flood.counts.violating.store(true, Ordering::SeqCst);
    stack.until_phase("off", "off").await;
    let (accepted, refused) = flood.stop().await;
    println!(
        "{layout:?}: {accepted} events accepted, {refused} times put off, peak {} MiB, slowest decision {} ms after its window",
        peak_memory(&stack) >> 20,
        slowest_decision(&stack).await
    );
    assert_eq!(stack.phase_changes(), ["off A", "A off"]);
    assert!(peak_memory(&stack) < MEMORY_MAX, "{} bytes", peak_memory(&stack));
    until_all_is_counted(&stack, accepted).await;
}

/// Milliseconds.
async fn slowest_decision(stack: &Stack) -> i64 {
    let decisions = stack.get("analyzer", "/v1/decisions?limit=1000").await.expect("the decisions");
    let at = |decision: &Value, pointer: &str| -> i64 {
        let time: jiff::Timestamp =
            decision.pointer(pointer).and_then(Value::as_str).expect("a time").parse().expect("a time");
        time.as_millisecond()
    };
    let decisions = decisions["items"].as_array().expect("a list");
    decisions.iter().map(|it| at(it, "/decided_at") - at(it, "/window/end")).max().expect("a decision")
}

/// The most that the process which takes the telemetry has held in memory so far, in bytes.
fn peak_memory(stack: &Stack) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.pid(&stack.process_names()[0])));
    let status = status.expect("the process's status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    peak.expect("a peak") << 10
}

/// Clients that push as fast as they are let.
struct Flood {
    counts: Arc<Counts>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    /// Its saves take far longer than any phase allows.
    violating: AtomicBool,
    /// Events.
    accepted: AtomicU64,
    /// Answers that put a push off.
    refused: AtomicU64,
}

impl Flood {
    fn start(url: &str) -> Self {
        let counts = Arc::<Counts>::default();
        let http = reqwest::Client::new();
        let clients =
            (0..CONNECTIONS).map(|_| push_on(http.clone(), url.to_owned(), Arc::clone(&counts))).collect();
        Self { counts, clients }
    }

    /// Events accepted and pushes put off.
    fn so_far(&self) -> (u64, u64) {
        (self.counts.accepted.load(Ordering::SeqCst), self.counts.refused.load(Ordering::SeqCst))
    }

    /// Waits for the answers under way.
    async fn stop(self) -> (u64, u64) {
        self.counts.stop.store(true, Ordering::SeqCst);
        let counts = Arc::clone(&self.counts);
        self.clients.join_all().await;
        (counts.accepted.load(Ordering::SeqCst), counts.refused.load(Ordering::SeqCst))
    }
}

async fn push_on(http: reqwest::Client, url: String, counts: Arc<Counts>) {
    while !counts.stop.load(Ordering::SeqCst) {
        let duration_ms = if counts.violating.load(Ordering::SeqCst) { 9_000 } else { 300 };
        let (body, key) = (long_lines(duration_ms), Uuid::now_v7().to_string());
        let push = wait::until_within(PATIENCE, "a push to be accepted", || async {
            let push = http
                .post(&url)
                .header("content-type", "application/x-ndjson")
                .header("idempotency-key", &key);
            let answer = push.body(body.clone()).send().await.expect("an answer, whatever it is");
            answer_of(answer, &counts).await
        })
        .await;
        // In its window or, where that was closed while the push waited, as late.
        let counted = ["accepted", "late"].map(|it| push[it].as_u64().expect("a count"));
        counts.accepted.fetch_add(counted.iter().sum(), Ordering::SeqCst);
    }
}

/// What is not taken in is put off with a time, or came too slowly on a machine that is busy with the others; it comes again
/// under its key, since it may have been stored all the same.
async fn answer_of(answer: reqwest::Response, counts: &Counts) -> Result<Value, String> {
    let (status, retry_after) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    let text = answer.text().await.expect("a body");
    if matches!(status, 200 | 202) {
        return Ok(serde_json::from_str(&text).expect("JSON"));
    }
    assert!(status == 408 || (status == 503 && retry_after), "{status}: {text}");
    counts.refused.fetch_add(1, Ordering::SeqCst);
    Err(text)
}

/// Saves that end now, each with a field that nobody reads.
fn long_lines(duration_ms: u64) -> Bytes {
    let ts = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let padding = "x".repeat(LINE_BYTES);
    let line = format!(
        "{{\"ts\":\"{ts}\",\"name\":\"autosave.save.completed\",\"duration_ms\":{duration_ms},\"draft\":\"{padding}\"}}\n"
    );
    line.repeat(BODY_BYTES / line.len()).into()
}
