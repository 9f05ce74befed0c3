//! The dashboard's figures, counted again from the telemetry (source §7.2 and §7.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phasegate_tests::cli;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::begin;
use crate::story::POLICY;

/// Windows whose figures are compared.
const WINDOWS: usize = 3;

/// DA-2 and DA-1, CO-3: p95 and error rate equal the batch's and an independent count over the JSONL; each archived
/// line is valid by the schema that is checked in; the file is what the API says.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_says_what_the_telemetry_says() {
    // Whatever is written is compliant, and a busy machine's writer is not late.
    let policy = POLICY
        .replace("save_latency_p95: 2.5s, error_rate: 1.0%", "save_latency_p95: 60s, error_rate: 90%")
        .replace("grace: 200ms", "grace: 600ms");
    let stack = Stack::start(Layout::ThreeOnPostgres, &policy, &[]).await;
    begin(&stack).await;
    let writer = Writer::start(stack.telemetry_directory().join("editor.jsonl"));
    let shown = windows_on_the_dashboard(&stack).await;
    let telemetry = writer.stop().await;
    let archive = archived_batches(&stack);
    for (start, card) in &shown {
        let batch = &archive[start];
        let counted = count(&telemetry, &batch["window"]);
        let (p95, rate) = (observed(card, "save_latency_p95"), observed(card, "error_rate"));
        let exact = counted.p95_ms / 1000.0;
        assert!(p95 <= exact && p95 >= exact * 0.999, "p95 {p95} s for {exact} s: {card}");
        assert!((rate - counted.error_rate * 100.0).abs() < 1e-9, "{rate} % for {}", counted.error_rate);
        let saves = &batch["distributions"]["autosave.save.completed"];
        assert!((saves["p95"].as_f64().expect("a p95") / 1000.0 - p95).abs() < 1e-9, "{saves}");
        assert_eq!(saves["count"], counted.saves, "{batch}");
        assert_eq!(batch["intake"]["late"], 0, "{batch}");
    }
    the_file_is_the_document(&stack).await;
}

/// The cards of [`WINDOWS`] windows with telemetry, by window start, as they are shown one after the other.
async fn windows_on_the_dashboard(stack: &Stack) -> BTreeMap<String, Value> {
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    while shown.len() < WINDOWS {
        let card = stack
            .until_dashboard("a new window with telemetry", |target| {
                let start = target["window"]["start"].as_str();
                target["slos"][0]["observed"].is_number() && start.is_some_and(|at| !shown.contains_key(at))
            })
            .await;
        shown.insert(card["window"]["start"].as_str().expect("a start").to_owned(), card);
    }
    shown
}

fn observed(card: &Value, metric: &str) -> f64 {
    let slos = card["slos"].as_array().expect("cards");
    let slo = slos.iter().find(|slo| slo["metric"] == metric).expect("the metric's card");
    slo["observed"].as_f64().unwrap_or_else(|| panic!("nothing observed: {card}"))
}

/// Every archived line, checked against the schema, by window start.
fn archived_batches(stack: &Stack) -> BTreeMap<String, Value> {
    let schema = cli::workspace().join("collector-svc/schema/batch.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).expect("the schema")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut batches = BTreeMap::new();
    for entry in fs::read_dir(stack.data_file("logs/autosave")).expect("the archive").flatten() {
        for line in fs::read_to_string(entry.path()).expect("a file").lines() {
            let batch: Value = serde_json::from_str(line).expect("a whole line");
            let errors: Vec<String> = validator.iter_errors(&batch).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}: {line}");
            batches.insert(batch["window"]["start"].as_str().expect("a start").to_owned(), batch);
        }
    }
    batches
}

/// DA-1: the same document, but for the moment at which it was asked for.
async fn the_file_is_the_document(stack: &Stack) {
    wait::until("dashboard.json to be what the API says", || async {
        let file = fs::read_to_string(stack.data_file("reports/monitoring/dashboard.json"));
        let mut file: Value = serde_json::from_str(&file.expect("the file")).expect("always whole");
        let mut served = stack.get("reporter", "/v1/dashboard").await?;
        for document in [&mut file, &mut served] {
            assert!(document["updated_at"].is_string(), "{document}");
            document["updated_at"] = json!(null);
        }
        // Between the two reads a window may have closed.
        if file == served { Ok(()) } else { Err(format!("{file}\n{served}")) }
    })
    .await;
}

struct Counted {
    saves: u64,
    p95_ms: f64,
    error_rate: f64,
}

/// The window's figures from the raw lines, with none of the product's code: nearest rank, each id once.
fn count(telemetry: &[Value], window: &Value) -> Counted {
    let time = |value: &Value| value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    let (start, end) = (time(&window["start"]), time(&window["end"]));
    let (mut seen, mut durations, mut errors) = (BTreeSet::new(), Vec::new(), 0_u32);
    for event in telemetry.iter().filter(|event| (start..end).contains(&time(&event["ts"]))) {
        if !seen.insert(event["event_id"].to_string()) {
            continue;
        }
        match event["duration_ms"].as_f64() {
            Some(duration) => durations.push(duration),
            None => errors += 1,
        }
    }
    durations.sort_by(f64::total_cmp);
    let saves = u32::try_from(durations.len()).expect("few");
    Counted {
        saves: u64::from(saves),
        p95_ms: durations[(durations.len() * 95).div_ceil(100) - 1],
        error_rate: f64::from(errors) / f64::from(saves + errors),
    }
}

/// An editor that appends to a file what it does, some of it twice and some of it broken.
struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Value>>,
}

impl Writer {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(path, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// All events that were written, repeats included.
    async fn stop(self) -> Vec<Value> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("the writer's task")
    }
}

async fn write(path: impl AsRef<Path>, stop: Arc<AtomicBool>) -> Vec<Value> {
    let mut file = File::options().create(true).append(true).open(path).expect("the telemetry file");
    let (mut written, mut random) = (Vec::new(), 7_u64);
    while !stop.load(Ordering::SeqCst) {
        let ts = jiff::Timestamp::now().to_string();
        let mut lines = String::from("{\"ts\": broken\n");
        for _ in 0..20 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = format!("e-{}", written.len());
            let event = match random >> 59 {
                0 => {
                    json!({"ts": ts, "name": "autosave.save.error", "event_id": id, "code": "E_IO", "retryable": true})
                }
                _ => {
                    json!({"ts": ts, "name": "autosave.save.completed", "event_id": id, "duration_ms": duration(random)})
                }
            };
            lines.push_str(&format!("{event}\n"));
            written.push(event);
        }
        let twice = written.last().cloned().expect("an event");
        lines.push_str(&format!("{twice}\n"));
        written.push(twice);
        file.write_all(lines.as_bytes()).expect("telemetry is appended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    written
}

/// 0.1 ms to 30 s.
fn duration(random: u64) -> f64 {
    let tenths = u32::try_from((random >> 20) % 300_000).expect("small");
    f64::from(tenths + 1) / 10.0
}
