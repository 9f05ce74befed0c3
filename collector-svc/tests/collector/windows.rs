//! From events to batches: which window, which phase, when, once.

use std::sync::Arc;
use std::time::Duration;

use collector_svc::shared_time::SharedTime;
use service_kit::clock::{Clock as _, ManualClock};
use service_kit::http::CheckState;
use shared_types::{Actor, Batch, Timestamp, Via, Window};

use crate::rig::{Fault, Rig, at, autosave, directive, saved, saves};

/// CO-1, CO-2, CO-3: one batch a window, complete, delivered and archived as one line.
#[tokio::test]
async fn a_window_becomes_one_batch_that_is_delivered_and_archived() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:00:00", "a"));
    rig.append(
        r#"{"ts":"2026-11-22T10:03:00Z","name":"autosave.save.error","code":"E_LOCK","retryable":true}"#,
    );
    rig.append("\nnot json\n{\"ts\":\"2026-11-22T10:04:00Z\",\"name\":\"autosave.opened\"}\n");
    rig.append(&(saved("10:01:00", "a") + &saved("09:59:00", "x") + &saved("10:14:59.999", "b")));
    rig.turn_at("10:05:00").await;
    rig.turn_at("10:15:29").await;
    assert_eq!(rig.batch("10:00:00").await, None);
    rig.append(&saved("10:14:59", "straggler"));
    rig.turn_at("10:15:30").await;

    let batch = rig.batch("10:00:00").await.unwrap().batch;
    assert_eq!(batch.window, Window { start: at("10:00:00"), end: at("10:15:00") });
    assert_eq!((batch.phase.as_str(), batch.epoch, batch.source.as_str()), ("A", 1, "jsonl"));
    assert_eq!((saves(&batch), batch.counters["autosave.save.error"]), (3, 1));
    assert_eq!(batch.counters["autosave.history.drift"], 0);
    assert_eq!(batch.distributions["autosave.save.completed"].count, 3);
    assert_eq!(batch.breakdowns["autosave.save.error"]["code"]["E_LOCK"], 1);
    assert_eq!(batch.breakdowns["autosave.save.error"]["retryable"]["true"], 1);
    let intake = &batch.intake;
    assert_eq!((intake.malformed, intake.duplicates, intake.unknown), (1, 1, 1));
    assert_eq!((batch.collector_latency_ms, batch.attempts), (30_000, 1));
    assert_eq!(batch.next_window, Some(Window { start: at("10:15:00"), end: at("10:30:00") }));

    assert_eq!(rig.analyzer.batches(), std::slice::from_ref(&batch));
    let line = rig.archived("10:00:00");
    assert_eq!(serde_json::from_str::<Batch>(&line).unwrap(), batch);
    assert!(line.ends_with('\n') && line.lines().count() == 1);
    rig.assert_outbox_empty().await;
}

/// TE-3: an event of a closed window is late on the batch that is open when it comes.
#[tokio::test]
async fn a_late_event_changes_no_closed_batch() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:01:00", "a"));
    rig.turn_at("10:15:30").await;
    rig.append(&saved("10:02:00", "late"));
    rig.turn_at("10:16:00").await;
    rig.turn_at("10:30:30").await;
    let batches = rig.analyzer.batches();
    assert_eq!(batches.iter().map(saves).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(batches[1].intake.late, 1);
}

/// CO-1: a restart that slept through several windows gives each its own late batch, with its own events.
#[tokio::test]
async fn windows_slept_through_get_their_own_late_batches() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&saved("10:01:00", "a"));
    rig.turn_at("10:01:01").await;
    rig.append(&(saved("10:20:00", "b") + &saved("10:21:00", "c") + &saved("10:50:00", "d")));
    rig.kill();
    rig.turn_at("10:50:00").await;
    let batches = rig.analyzer.batches();
    let seen: Vec<(Timestamp, u64)> =
        batches.iter().map(|batch| (batch.window.start, saves(batch))).collect();
    assert_eq!(seen, [(at("10:00:00"), 1), (at("10:15:00"), 2), (at("10:30:00"), 0)]);
    assert_eq!(batches[0].collector_latency_ms, 35 * 60_000);
    rig.turn_at("11:00:30").await;
    assert_eq!(rig.analyzer.batches().len(), 4);
    rig.assert_outbox_empty().await;
}

/// CO-6: phase and epoch change with the next window; a shorter cadence cuts the open one.
#[tokio::test]
async fn a_directive_takes_effect_at_a_boundary() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "B", 2)).await.unwrap();
    rig.append(&saved("10:06:00", "in B"));
    rig.turn_at("10:06:00").await;
    let mut back = directive(2, "A", 3);
    (back.cadence_ms, back.until) = (300_000, Some(at("10:36:00")));
    assert_eq!(rig.worker.direct(&back).await.unwrap(), back);
    assert_eq!(rig.worker.direct(&directive(1, "C", 9)).await.unwrap(), back, "an older one changes nothing");
    rig.append(&saved("10:12:00", "in A"));
    for minute in 10..62 {
        rig.clock.set(at("10:00:30").plus(Duration::from_secs(minute * 60)));
        rig.turn().await;
    }
    rig.work().await;
    let windows: Vec<(u64, u64)> = rig
        .analyzer
        .batches()
        .iter()
        .map(|batch| (batch.window.end.since(at("10:00:00")).as_secs() / 60, batch.epoch))
        .collect();
    assert_eq!(windows, [(10, 2), (15, 3), (20, 3), (25, 3), (30, 3), (35, 3), (40, 3), (45, 3), (60, 3)]);
    let counted: Vec<u64> = rig.analyzer.batches().iter().map(saves).collect();
    assert_eq!(counted, [1, 1, 0, 0, 0, 0, 0, 0, 0]);
    let mut cursor = at("10:00:00");
    for batch in rig.analyzer.batches() {
        assert_eq!(batch.window.start, cursor);
        cursor = batch.window.end;
    }
}

/// CO-7, source §8: a pause closes nothing, loses nothing, and ends by itself after five minutes.
#[tokio::test]
async fn a_pause_holds_windows_back_and_ends_by_itself() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.clock.set(at("10:14:00"));
    assert_eq!(rig.worker.pause(9999, &Actor::default()).await.unwrap(), at("10:19:00"));
    rig.append(&saved("10:14:30", "a"));
    rig.kill();
    rig.turn_at("10:18:59").await;
    assert_eq!(rig.analyzer.batches(), []);
    rig.turn_at("10:19:00").await;
    assert_eq!(rig.delivered_saves(), 1);
    assert_eq!(rig.analyzer.events(), []);
}

/// CO-7, CO-10: what a permitted pause takes is not collector latency; what follows it is.
#[tokio::test]
async fn the_time_of_a_pause_is_no_latency() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.clock.set(at("10:14:00"));
    rig.worker.pause(300, &Actor::default()).await.unwrap();
    rig.append(&saved("10:14:30", "a"));
    rig.kill();
    rig.turn_at("10:20:00").await;
    // Resumed by hand, and paused again: two pauses of one window.
    rig.clock.set(at("10:29:00"));
    rig.worker.pause(120, &Actor::default()).await.unwrap();
    rig.clock.set(at("10:30:20"));
    rig.worker.pause(0, &Actor::default()).await.unwrap();
    rig.clock.set(at("10:30:25"));
    rig.worker.pause(10, &Actor::default()).await.unwrap();
    rig.turn_at("10:30:45").await;
    rig.turn_at("10:45:30").await;
    let latencies: Vec<_> = rig.analyzer.batches().iter().map(|it| it.collector_latency_ms).collect();
    assert_eq!(latencies, [60_000, 15_000, 30_000], "the pauses since each window's end left out");
}

/// CO-7, GO-4: each pause and its end are told once, by whom, in the commit that makes them; what changes nothing is not.
#[tokio::test]
async fn pauses_and_their_ends_are_told_as_acts() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let ana = Actor { name: "ana".to_owned(), ..Actor::service("", Via::Collector) };
    rig.clock.set(at("10:01:00"));
    rig.worker.pause(0, &ana).await.unwrap();
    rig.worker.pause(120, &ana).await.unwrap();
    rig.worker.pause(120, &ana).await.unwrap();
    rig.kill();
    // Another replica sees the pause end too: one of the two commits it.
    let (mut other, _) = rig.replica();
    other.turn().await.unwrap();
    rig.turn_at("10:02:59").await;
    rig.clock.set(at("10:03:00"));
    other.turn().await.unwrap();
    rig.turn_at("10:03:01").await;
    rig.worker.pause(60, &ana).await.unwrap();
    rig.faults.fail_next_commit(Fault::Refused);
    rig.worker.pause(0, &ana).await.unwrap_err();
    rig.kill();
    rig.turn_at("10:03:20").await;
    assert_eq!(rig.analyzer.acts().len(), 3, "what was not committed is not told");
    rig.worker.pause(0, &ana).await.unwrap();
    rig.work().await;
    let acts = rig.analyzer.acts();
    let told: Vec<_> =
        acts.iter().map(|it| (it.kind.deed().as_str(), it.actor.name.as_str(), it.paused_until)).collect();
    assert_eq!(
        told,
        [
            ("collector.pause", "ana", Some(at("10:03:00"))),
            ("collector.resume", "collector", None),
            ("collector.pause", "ana", Some(at("10:04:01"))),
            ("collector.resume", "ana", None),
        ]
    );
    assert_eq!((acts[0].at, acts[1].at), (at("10:01:00"), at("10:03:00")));
    let ids: std::collections::BTreeSet<_> = acts.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), 4);
    rig.assert_outbox_empty().await;
}

/// RB-5: while the reporter says stop, events are counted and windows wait.
#[tokio::test]
async fn a_stop_holds_windows_until_the_next_directive() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "B", 1)).await.unwrap();
    let mut stop = directive(2, "B", 1);
    stop.collect = false;
    rig.worker.direct(&stop).await.unwrap();
    rig.append(&saved("10:01:00", "a"));
    rig.turn_at("10:40:00").await;
    assert_eq!((rig.analyzer.batches(), rig.analyzer.events()), (vec![], vec![]));
    rig.worker.direct(&directive(3, "A", 2)).await.unwrap();
    rig.turn_at("10:40:01").await;
    let epochs: Vec<u64> = rig.analyzer.batches().iter().map(|batch| batch.epoch).collect();
    assert_eq!((epochs, rig.delivered_saves()), (vec![1, 1], 1));
    assert_eq!(rig.analyzer.events(), []);
}

/// Outside the gated phases only windows with events become batches, which stay here.
#[tokio::test]
async fn before_a_rollout_batches_are_archived_and_not_sent() {
    let mut rig = Rig::new().await;
    rig.append(&(saved("08:01:00", "a") + &saved("09:50:00", "b")));
    rig.turn_at("10:20:00").await;
    assert_eq!(rig.analyzer.batches(), []);
    assert!(rig.batch("08:00:00").await.is_some() && rig.batch("08:15:00").await.is_none());
    assert!(rig.archived("09:45:00").contains("\"phase\":\"off\""));
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.turn_at("10:45:30").await;
    assert_eq!(rig.analyzer.batches().len(), 1);
    let last = rig.store.last_batch(&autosave()).await.unwrap().unwrap();
    assert_eq!(last.delivered_at, Some(at("10:45:30")));
}

/// OP-5: a clock that runs ahead of the analyzer's closes nothing, and says so; put right, it works on at once, and no
/// event is late for it.
#[tokio::test]
async fn a_clock_that_is_ahead_closes_nothing_and_goes_on_once_it_is_right() {
    let grace = Duration::from_secs(30);
    let mut rig = Rig::new().await;
    rig.time.hear(at("10:00:00"), Duration::ZERO);
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.turn_at("10:00:01").await;
    // 31 min ahead within a moment: the monotonic clock did not see them pass.
    rig.append(&saved("10:00:30", "a"));
    rig.turn_at("10:31:30").await;
    assert_eq!(rig.analyzer.batches(), []);
    let CheckState::Degraded(said) = rig.time.state(grace) else { panic!("it does not say so") };
    assert!(said.contains("31m ahead of the analyzer's: no windows are closed"), "{said}");
    // What it is told meanwhile takes effect when it should.
    rig.worker.direct(&directive(2, "B", 2)).await.unwrap();
    rig.time.hear(at("10:04:00"), Duration::ZERO);
    rig.append(&saved("10:03:00", "b"));
    rig.turn_at("10:35:01").await;
    assert_eq!(rig.analyzer.batches(), []);

    rig.time.hear(at("10:15:31"), Duration::ZERO);
    rig.turn_at("10:15:31").await;
    assert!(matches!(rig.time.state(grace), CheckState::Ok));
    rig.append(&saved("10:20:00", "c"));
    rig.time.hear(at("10:30:31"), Duration::ZERO);
    rig.turn_at("10:30:31").await;
    let batches = rig.analyzer.batches();
    let seen: Vec<_> =
        batches.iter().map(|it| (it.window.start, it.epoch, saves(it), it.intake.late)).collect();
    assert_eq!(seen, [(at("10:00:00"), 1, 2, 0), (at("10:15:00"), 2, 1, 0)]);
}

/// OP-5: within the grace clocks may differ; who cannot be asked keeps nobody waiting, who was not asked yet does.
#[tokio::test]
async fn a_clock_may_be_ahead_by_the_grace() {
    let clock = Arc::new(ManualClock::at(at("10:00:20")));
    let grace = Duration::from_secs(30);
    let time = SharedTime::asking(Arc::<ManualClock>::clone(&clock));
    assert!(!time.may_close(grace), "not asked yet");
    assert!(SharedTime::alone(Arc::<ManualClock>::clone(&clock)).may_close(grace));
    time.hear(at("10:00:00"), Duration::ZERO);
    assert!(time.may_close(grace));
    clock.set(at("10:00:35"));
    assert!(!time.may_close(grace));
    // Behind it: windows close later, and nothing is wrong with them.
    clock.set(at("09:00:00"));
    assert!(time.may_close(grace));
    assert_eq!(time.now(), at("09:00:00"));
}
