//! A window that is looked at before it counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector_svc::look::{Look, LookError, Looked, look};
use collector_svc::sources::SHIPPED;
use domain::kinds::Chosen;
use domain::policy::{Policy, TargetPolicy};
use domain::sources::http::Http;
use domain::sources::jsonl::Jsonl;
use shared_types::{TargetName, Timestamp, Window};

use crate::rig::at;

const COMPLETED: &str = "autosave.save.completed";

fn policy(files: &Path) -> TargetPolicy {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml");
    let mut policy = Policy::load(Path::new(shipped)).unwrap().targets.into_values().next().unwrap();
    policy.collection.source =
        Chosen(Arc::new(Jsonl { paths: vec![format!("{}/*.jsonl", files.display())] }));
    policy
}

/// A save a second, from one moment on.
fn saves(from: Timestamp, seconds: u64) -> String {
    (0..seconds).fold(String::new(), |mut text, second| {
        let ts = from.plus(Duration::from_secs(second));
        let _ = writeln!(text, r#"{{"ts":"{ts}","name":"{COMPLETED}","duration_ms":100}}"#);
        text
    })
}

async fn looked(policy: &TargetPolicy, bytes: u64) -> Result<Looked, LookError> {
    let window = Window { start: at("10:00:00"), end: at("10:15:00") };
    let target = TargetName::parse("autosave").unwrap();
    let request = Look { target: &target, policy, window, bytes, elsewhere: BTreeMap::new() };
    look(&SHIPPED, &request, at("10:15:00")).await
}

/// CO-8: the window alone is counted, to the event, with what stands in the files beside it.
#[tokio::test]
async fn a_window_of_files_is_counted_as_the_collector_would() {
    let directory = tempfile::tempdir().unwrap();
    let twice = r#"{"ts":"2026-11-22T10:03:00Z","name":"autosave.save.error","code":"E","retryable":true,"event_id":"1"}"#;
    let rest = format!(
        "{twice}\n{twice}\nno event\n{{\"ts\":\"2026-11-22T10:04:00Z\",\"name\":\"autosave.saved\"}}\n"
    );
    std::fs::write(directory.path().join("a.jsonl"), saves(at("09:50:00"), 1800)).unwrap();
    std::fs::write(directory.path().join("b.jsonl"), rest).unwrap();
    let Looked { batch, read } = looked(&policy(directory.path()), 1 << 20).await.unwrap();
    assert_eq!((batch.counters[COMPLETED], batch.counters["autosave.save.error"]), (900, 1));
    assert_eq!(batch.intake.unknown_names, BTreeMap::from([("autosave.saved".to_owned(), 1)]));
    assert_eq!((batch.intake.duplicates, batch.distributions[COMPLETED].count), (1, 900));
    let read = read.unwrap();
    assert_eq!((read.places, read.lines, read.uncounted.malformed, read.whole), (2, 1804, 1, true));
    assert_eq!(read.newest_event, Some(at("10:15:00")), "what is of the future is not believed");
}

/// Of a file that is too long the end is read, from the begin of a line; whether that is enough is said.
#[tokio::test]
async fn of_long_files_the_newest_bytes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let (before, window) = (saves(at("09:00:00"), 3600), saves(at("10:00:00"), 900));
    let line = (window.len() / 900) as u64;
    std::fs::write(directory.path().join("a.jsonl"), format!("{before}{window}")).unwrap();
    let policy = policy(directory.path());
    let seen = async |bytes: u64| {
        let Looked { batch, read } = looked(&policy, bytes).await.unwrap();
        let read = read.unwrap();
        assert!(read.bytes <= bytes && read.uncounted.malformed == 0, "{read:?}");
        (batch.counters[COMPLETED], read.passed_over.len(), read.whole)
    };
    assert_eq!(seen(line * 4500).await, (900, 0, true));
    assert_eq!(seen(line * 1000).await, (900, 1, true));
    assert_eq!(seen(line * 500).await, (499, 1, false));
}

/// A file into which nothing was written since the window began holds nothing of it.
#[tokio::test]
async fn files_of_another_time_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old.jsonl");
    std::fs::write(&old, saves(at("09:00:00"), 600)).unwrap();
    let file = std::fs::File::options().write(true).open(&old).unwrap();
    let written = std::time::UNIX_EPOCH + Duration::from_millis(at("09:10:00").as_millis().unsigned_abs());
    file.set_modified(written).unwrap();
    let window = saves(at("10:00:00"), 900);
    std::fs::write(directory.path().join("new.jsonl"), &window).unwrap();
    let Looked { batch, read } = looked(&policy(directory.path()), window.len() as u64).await.unwrap();
    let read = read.unwrap();
    assert_eq!((batch.counters[COMPLETED], read.whole, read.bytes), (900, true, window.len() as u64));
    assert!(read.passed_over[0].path.ends_with("old.jsonl"), "{read:?}");
}

/// Nothing is pulled of what is pushed: what others know of it stands in the batch, and what nobody knows is missing.
#[tokio::test]
async fn what_is_pushed_is_what_others_say() {
    let mut policy = policy(Path::new("/nowhere"));
    policy.collection.source = Chosen(Arc::new(Http));
    let window = Window { start: at("10:00:00"), end: at("10:15:00") };
    let target = TargetName::parse("autosave").unwrap();
    let elsewhere = BTreeMap::from([
        (COMPLETED.to_owned(), Ok(7)),
        ("autosave.save.error".to_owned(), Err("nobody runs".to_owned())),
    ]);
    let request = Look { target: &target, policy: &policy, window, bytes: 1, elsewhere };
    let Looked { batch, read } = look(&SHIPPED, &request, at("10:15:00")).await.unwrap();
    assert!(read.is_none());
    assert_eq!(batch.counters[COMPLETED], 7);
    assert!(!batch.counters.contains_key("autosave.save.error"));
    assert_eq!(batch.intake.missing["autosave.save.error"], "nobody runs");
}
