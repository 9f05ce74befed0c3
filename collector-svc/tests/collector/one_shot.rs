//! `phasegate collect`'s library (CO-8), on the fixture of the source document.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::collect::{Collected, OneShot, OneShotSource, Span, collect_once, collect_windows};
use shared_types::{PhaseId, Timestamp};

use crate::rig::{at, autosave, policy, saved, saves};

const FIXTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/collector/autosave_latency.json");

fn request(path: &Path, span: Span) -> OneShot {
    OneShot {
        target: autosave(),
        policy: Arc::new(policy()),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window: Duration::from_secs(900),
        span,
        source: OneShotSource::Files(vec![path.display().to_string()]),
        simulate_latency: Duration::ZERO,
    }
}

fn collect(path: &Path, span: Span, now: &str) -> Collected {
    collect_windows(&request(path, span), at(now)).unwrap()
}

/// The durations of the fixture by window, read without any code of ours.
fn durations() -> BTreeMap<i64, Vec<f64>> {
    let events: Vec<serde_json::Value> = serde_json::from_str(&fs::read_to_string(FIXTURE).unwrap()).unwrap();
    let mut windows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for event in events {
        let ts: jiff::Timestamp = event["ts"].as_str().unwrap().parse().unwrap();
        let durations = windows.entry(ts.as_millisecond() / 900_000).or_default();
        durations.extend(event["duration_ms"].as_f64());
    }
    windows
}

/// SLO-2, CO-8, source §7.4: p95 per 15-minute window is the exact nearest-rank value, at most 0.1 % below.
#[test]
fn the_latency_fixture_gives_p95_per_fifteen_minute_window() {
    let collected = collect(Path::new(FIXTURE), Span::Last(Duration::from_secs(2700)), "10:46:00");
    assert_eq!(collected.batches.len(), 3);
    for (batch, (window, mut exact)) in collected.batches.iter().zip(durations()) {
        assert_eq!(batch.window.start.as_millis(), window * 900_000);
        assert_eq!(saves(batch), exact.len() as u64);
        exact.sort_by(f64::total_cmp);
        let Some(distribution) = batch.distributions.get("autosave.save.completed") else {
            assert_eq!(exact, [0.0; 0]);
            continue;
        };
        let p95 = exact[(exact.len() * 95).div_ceil(100) - 1];
        assert!(distribution.p95 <= p95 && distribution.p95 >= p95 * 0.999, "{} for {p95}", distribution.p95);
        assert!((distribution.max - exact[exact.len() - 1]).abs() < f64::EPSILON);
    }
    let p95 = |at: usize| collected.batches[at].distributions["autosave.save.completed"].p95;
    assert!(p95(0) <= 2500.0 && p95(0) > 2497.0, "exactly the threshold of phase A");
    assert!(p95(1) > 2500.0, "above it");
}

/// CO-8: the last complete window before now; of older telemetry the newest one that has events.
#[test]
fn the_window_is_the_last_complete_one_or_the_newest_with_events() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.jsonl");
    let text = saved("10:01:00", "a") + &saved("10:16:00", "b") + &saved("10:31:00", "c") + "bad";
    fs::write(&file, text).unwrap();
    let start = |span, now| collect_once(&request(&file, span), at(now)).unwrap().window.start;
    assert_eq!(start(Span::Newest, "10:31:30"), at("10:15:00"));
    assert_eq!(start(Span::Newest, "10:46:00"), at("10:30:00"));
    assert_eq!(start(Span::Newest, "20:00:00"), at("10:30:00"));
    assert_eq!(start(Span::At(at("10:14:59")), "20:00:00"), at("10:00:00"));
    let all = collect(&file, Span::Last(Duration::from_secs(7200)), "10:46:00");
    assert_eq!(all.batches.iter().map(saves).collect::<Vec<_>>(), [0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(all.batches[7].intake.malformed, 1);
    assert_eq!((all.malformed.len(), all.malformed[0].1.line), (1, 4));
}

/// TE-6, CO-8: a misspelt name is told with the one that is meant; a name of something else is not.
#[test]
fn misspelt_names_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.jsonl");
    let named = |id: &str, name: &str| saved("10:01:00", id).replace("autosave.save.completed", name);
    let text = named("a", "autosave.saved.completed")
        + &named("b", "autosave.saved.completed")
        + &named("c", "mail.sent");
    fs::write(&file, text + &saved("10:31:00", "d")).unwrap();
    let collected = collect(&file, Span::Last(Duration::from_secs(7200)), "10:46:00");
    assert_eq!(collected.misspelt(), [("autosave.saved.completed", "autosave.save.completed", 2)]);
    assert_eq!(collected.batches[5].intake.unknown_names["mail.sent"], 1);
    assert!(collect(&file, Span::At(at("10:31:00")), "10:46:00").misspelt().is_empty());
}

/// CO-8: the simulated latency is the batch's collector latency, to the millisecond, whenever it is run.
#[test]
fn simulated_latency_is_the_collector_latency() {
    let mut request = request(Path::new(FIXTURE), Span::At(at("10:00:00")));
    request.simulate_latency = Duration::from_secs(180);
    let batch = collect_once(&request, Timestamp::parse("2027-01-01T00:00:00Z").unwrap()).unwrap();
    assert_eq!((batch.collector_latency_ms, batch.collected_at), (180_000, at("10:18:00")));
    assert_eq!(batch, collect_once(&request, Timestamp::parse("2028-01-01T00:00:00Z").unwrap()).unwrap());
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let error =
        collect_windows(&request(Path::new("no/such.jsonl"), Span::Newest), at("11:00:00")).unwrap_err();
    assert_eq!(error.to_string(), "`no/such.jsonl` matches no file");
}
