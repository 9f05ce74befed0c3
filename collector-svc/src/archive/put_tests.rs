//! Each way in which a line may be written twice, or half.

use std::collections::BTreeMap;

use shared_types::batch::SCHEMA;
use shared_types::{PhaseId, TargetName};

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T{text}Z")).unwrap()
}

fn batch(start: &str, saves: u64) -> Batch {
    let start = at(start);
    Batch {
        schema: SCHEMA.to_owned(),
        target: TargetName::parse("autosave").unwrap(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window: Window { start, end: start.plus(std::time::Duration::from_secs(900)) },
        counters: BTreeMap::from([("autosave.save.completed".to_owned(), saves)]),
        distributions: BTreeMap::new(),
        buckets: BTreeMap::new(),
        breakdowns: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: shared_types::batch::Intake::default(),
        collector_latency_ms: 1,
        attempts: 1,
        source: "jsonl".to_owned(),
        collected_at: start,
        next_window: None,
        policy_version: None,
    }
}

/// Windows and saves of the lines, all of which are whole.
fn lines(path: &Path) -> Vec<(Timestamp, u64)> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    let read = |line: &str| {
        let batch: Batch = serde_json::from_str(line).unwrap();
        (batch.window.start, batch.counters["autosave.save.completed"])
    };
    text.lines().map(read).collect()
}

/// CO-3: one file a day and target, a line a window.
#[test]
fn windows_of_a_day_stand_in_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let first = put(directory.path(), &batch("10:00:00", 1)).unwrap();
    let second = put(directory.path(), &batch("10:15:00", 2)).unwrap();
    let next_day = put(directory.path(), &batch("23:59:59.999", 3)).unwrap();
    assert_eq!((&first, &second), (&next_day, &next_day));
    assert_eq!(first, directory.path().join("logs/autosave/2026-11-22.jsonl"));
    assert_eq!(lines(&first), [(at("10:00:00"), 1), (at("10:15:00"), 2), (at("23:59:59.999"), 3)]);
}

/// CO-3: whatever came of the attempt before, the window stands there once.
#[test]
fn a_window_that_is_written_again_stands_there_once() {
    let directory = tempfile::tempdir().unwrap();
    let write = |start: &str, saves| put(directory.path(), &batch(start, saves)).unwrap();
    let path = write("10:00:00", 1);
    write("10:15:00", 2);
    // Its outcome was lost; a person retried one that was given up, after a later window; a store was put back.
    write("10:15:00", 2);
    write("09:45:00", 3);
    write("10:15:00", 2);
    write("10:00:00", 1);
    write("10:07:00", 4);
    assert_eq!(
        lines(&path),
        [(at("09:45:00"), 3), (at("10:00:00"), 1), (at("10:07:00"), 4), (at("10:15:00"), 2)]
    );
    // A store that was put back has counted the window anew.
    write("10:00:00", 7);
    assert_eq!(
        lines(&path),
        [(at("09:45:00"), 3), (at("10:00:00"), 7), (at("10:07:00"), 4), (at("10:15:00"), 2)]
    );
}

/// CO-3: a crash at any byte of a line leaves nothing that the next attempt does not make good.
#[test]
fn a_line_that_was_cut_anywhere_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = put(directory.path(), &batch("10:00:00", 1)).unwrap();
    let before = fs::read(&path).unwrap();
    let line = line_of(&batch("10:15:00", 2)).unwrap();
    for cut in (0..line.len()).step_by(17).chain([line.len() - 1, line.len()]) {
        fs::write(&path, [&before[..], &line[..cut]].concat()).unwrap();
        put(directory.path(), &batch("10:15:00", 2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [&before[..], &line[..]].concat(), "cut at {cut}");
    }
    // The first line of a day, of which nothing whole is there.
    fs::write(&path, &line[..7]).unwrap();
    put(directory.path(), &batch("10:15:00", 2)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), line);
}

#[test]
fn lines_that_are_longer_than_what_is_looked_at_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let long = |start: &str| Batch { source: "x".repeat(200_000), ..batch(start, 1) };
    let path = put(directory.path(), &long("10:00:00")).unwrap();
    put(directory.path(), &long("10:15:00")).unwrap();
    put(directory.path(), &long("10:15:00")).unwrap();
    put(directory.path(), &long("10:00:00")).unwrap();
    assert_eq!(lines(&path).len(), 2);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 70_000]).unwrap();
    put(directory.path(), &long("10:15:00")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
}

/// A worker that lost its lease may still be writing when the next one begins.
#[test]
fn writers_of_one_file_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let directory = directory.path();
            scope.spawn(move || {
                for minute in 0..60 {
                    put(directory, &batch(&format!("{:02}:{minute:02}:00", 10 + writer / 2), 1)).unwrap();
                }
            });
        }
    });
    let path = directory.path().join("logs/autosave/2026-11-22.jsonl");
    let mut found = lines(&path);
    found.sort();
    found.dedup();
    assert_eq!((found.len(), lines(&path).len()), (120, 120));
}

/// A replaced or forgotten file is not written into any more.
#[test]
fn a_file_that_was_put_in_its_place_is_the_one_that_is_written_into() {
    let directory = tempfile::tempdir().unwrap();
    let path = put(directory.path(), &batch("10:00:00", 1)).unwrap();
    let held = locked(&path).unwrap();
    let waiting = std::thread::spawn({
        let directory = directory.path().to_owned();
        move || put(&directory, &batch("10:15:00", 2)).unwrap()
    });
    let other = path.with_extension("other");
    fs::copy(&path, &other).unwrap();
    fs::rename(&other, &path).unwrap();
    drop(held);
    waiting.join().unwrap();
    assert_eq!(lines(&path).len(), 2);
}
