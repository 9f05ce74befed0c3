//! Sources and receivers that fail: retried on schedule, told when given up.

use std::fs;
use std::time::Duration;

use shared_types::Timestamp;
use shared_types::collector_event::CollectorEventKind;

use crate::rig::{Rig, at, directive, saved};

fn after(start: Timestamp, seconds: u64) -> Timestamp {
    start.plus(Duration::from_secs(seconds))
}

/// CO-4: not delivered five minutes after its window's end: told once.
#[tokio::test]
async fn a_batch_that_is_not_taken_is_told_as_delayed_once() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.analyzer.fail(true);
    rig.append(&saved("10:01:00", "a"));
    for time in ["10:15:30", "10:19:59"] {
        rig.turn_at(time).await;
        assert_eq!(rig.analyzer.events(), []);
    }
    for time in ["10:20:00", "10:20:01", "10:21:00"] {
        rig.kill();
        rig.turn_at(time).await;
        let events = rig.analyzer.events();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].kind, events[0].elapsed_ms), (CollectorEventKind::Delayed, 300_000));
        assert_eq!((events[0].window.start, events[0].epoch), (at("10:00:00"), 1));
    }
    rig.analyzer.fail(false);
    rig.clock.set(at("10:30:00"));
    rig.work().await;
    assert_eq!(rig.delivered_saves(), 1);
    rig.assert_outbox_empty().await;
}

/// CO-5: an analyzer that fails is tried again after exactly 30, 60, 120 and 240 s; then it is told, with a
/// line in the file, and the batch is not given up.
#[tokio::test]
async fn a_delivery_is_retried_on_schedule_and_told_when_the_last_retry_fails() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.analyzer.fail(true);
    rig.turn_at("10:15:30").await;
    let mut now = at("10:15:30");
    for (retry, delay) in (1..).zip([30, 60, 120, 240]) {
        assert_eq!(rig.analyzer.attempts(), retry);
        assert_eq!(rig.retry_failures(), Vec::<serde_json::Value>::new());
        rig.clock.set(Timestamp::from_millis(after(now, delay).as_millis() - 1));
        rig.work().await;
        assert_eq!(rig.analyzer.attempts(), retry);
        now = after(now, delay);
        rig.clock.set(now);
        rig.work().await;
    }
    rig.work().await;
    assert_eq!(rig.analyzer.attempts(), 5);
    let exhausted: Vec<_> =
        rig.analyzer.events().into_iter().filter(|e| e.kind == CollectorEventKind::RetryExhausted).collect();
    assert_eq!((exhausted.len(), exhausted[0].attempts, exhausted[0].occurred_at), (1, 5, now));
    let lines = rig.retry_failures();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["event_id"], exhausted[0].event_id.to_string());
    assert_eq!((&lines[0]["target"], &lines[0]["attempts"]), (&"autosave".into(), &5.into()));
    assert!(lines[0]["cause"].as_str().unwrap().contains("500"));
    rig.clock.set(after(now, 240));
    rig.work().await;
    rig.analyzer.fail(false);
    rig.clock.set(after(now, 480));
    rig.work().await;
    assert_eq!(rig.analyzer.batches().len(), 1);
    assert_eq!(rig.retry_failures().len(), 1);
}

/// A link to itself: the pattern matches it, and nobody can read it, root included.
fn unreadable(path: &std::path::Path) {
    std::os::unix::fs::symlink(path, path).unwrap();
}

/// CO-9: one path that cannot be read is named, and stops neither the others nor the window.
#[tokio::test]
async fn one_path_that_cannot_be_read_stops_nothing() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:01:00", "a"));
    unreadable(&rig.path("broken.jsonl"));
    rig.turn_at("10:15:30").await;
    assert_eq!((rig.delivered_saves(), rig.worker.source_error()), (1, None));
    let [left_out] = &rig.worker.source_ails().left_out[..] else { panic!("{:?}", rig.worker.source_ails()) };
    assert!(left_out.path.ends_with("broken.jsonl") && left_out.reason.contains("symbolic links"));
    fs::remove_file(rig.path("broken.jsonl")).unwrap();
    rig.turn_at("10:15:31").await;
    assert_eq!(rig.worker.source_ails().left_out, []);
}

/// CO-5: a source that fails is read again after exactly 30, 60, 120 and 240 s; then it is told at once, and the
/// window waits for it.
#[tokio::test]
async fn a_source_is_retried_on_schedule_and_told_when_the_last_retry_fails() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    unreadable(&rig.path("broken.jsonl"));
    let mut now = at("10:02:00");
    rig.clock.set(now);
    rig.turn().await;
    for (failures, delay) in (1_u32..).zip([30, 60, 120, 240]) {
        assert!(rig.worker.source_error().unwrap().contains("broken.jsonl"));
        rig.clock.set(Timestamp::from_millis(after(now, delay).as_millis() - 1));
        rig.kill();
        rig.turn().await;
        rig.work().await;
        assert_eq!(rig.analyzer.events(), [], "after {failures} failures");
        now = after(now, delay);
        rig.clock.set(now);
        rig.turn().await;
    }
    rig.work().await;
    let events = rig.analyzer.events();
    assert_eq!((events.len(), events[0].kind), (1, CollectorEventKind::RetryExhausted));
    assert_eq!((events[0].attempts, events[0].occurred_at), (5, at("10:09:30")));
    assert_eq!(rig.retry_failures()[0]["failing"], "source");

    fs::remove_file(rig.path("broken.jsonl")).unwrap();
    rig.append(&saved("10:01:00", "a"));
    rig.turn_at("10:13:29").await;
    assert!(rig.worker.source_error().is_some());
    rig.turn_at("10:13:30").await;
    assert_eq!(rig.worker.source_error(), None);
    rig.turn_at("10:15:30").await;
    assert_eq!((rig.delivered_saves(), rig.analyzer.events().len()), (1, 1));
}

/// CO-5, SLO-7: while the source cannot be read no window is closed as if it had been silent.
#[tokio::test]
async fn a_window_waits_for_its_source() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:01:00", "a"));
    rig.turn_at("10:14:00").await;
    let (there, away) = (rig.path(""), rig.directory.path().join("away"));
    fs::rename(&there, &away).unwrap();
    rig.turn_at("10:15:20").await;
    rig.turn_at("10:15:50").await;
    assert_eq!(rig.analyzer.batches(), []);
    fs::rename(&away, &there).unwrap();
    rig.turn_at("10:16:50").await;
    let batches = rig.analyzer.batches();
    assert_eq!((batches.len(), batches[0].attempts, batches[0].collector_latency_ms), (1, 3, 110_000));
}
