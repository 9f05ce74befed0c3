//! Files: every accepted event exactly once, whatever is killed or refused when.

use std::fs;

use crate::rig::{Fault, Rig, autosave, directive, saved, saves};
use collector_svc::state::TargetState;
use collector_svc::store::Position;

/// TE-5: killed after every step, with rotations in between, and commits refused or their answers lost.
#[tokio::test]
async fn a_collector_killed_at_every_step_counts_each_event_once() {
    for faulty in [false, true] {
        let mut rig = Rig::new().await;
        rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
        let mut written = 0;
        for step in 0..60 {
            let time = format!("10:{:02}:00", step / 5);
            for _ in 0..=step % 4 {
                let line = saved(&time, &format!("event-{written}"));
                rig.append(&line);
                rig.append(if step % 3 == 0 { &line } else { "" });
                written += 1;
            }
            if step % 7 == 3 {
                fs::rename(rig.path("a.jsonl"), rig.path(&format!("a.{step}.old"))).unwrap();
            }
            rig.clock.set(crate::rig::at(&time));
            if faulty {
                rig.faults.fail_next_commit([Fault::None, Fault::Refused, Fault::AnswerLost][step % 3]);
                let _ = rig.worker.turn().await;
            }
            if step % 2 == 0 {
                rig.kill();
            }
            rig.turn().await;
        }
        rig.turn_at("10:15:30").await;
        assert_eq!(rig.delivered_saves(), written, "faulty: {faulty}");
        rig.assert_outbox_empty().await;
    }
}

/// TE-2: the first malformed lines of a file are kept with their numbers in the file.
#[tokio::test]
async fn malformed_lines_are_told_by_their_number_in_the_file() {
    let mut rig = Rig::new().await;
    rig.append(&(saved("10:00:00", "a") + "bad\n"));
    rig.turn().await;
    rig.append(&(saved("10:00:00", "b") + &saved("11:00:00", "far ahead") + "\n\nworse\n"));
    rig.turn().await;
    let initial = TargetState::initial(rig.policy.collection.window);
    let position = rig.store.load(&autosave(), &initial).await.unwrap().places.remove(0);
    let position = Position::of(&position).unwrap();
    let told: Vec<u64> = position.errors.iter().map(|error| error.line).collect();
    assert_eq!((position.malformed, position.cursor.line), (3, 7));
    assert_eq!(told, [2, 4, 7]);
}

/// Large files are read in bounded pieces, each committed while the next is read.
#[tokio::test]
async fn a_large_file_is_counted_piece_by_piece() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let text: String = (0..60_000).map(|id| saved("10:05:00", &format!("event-{id}"))).collect();
    rig.append(&text);
    rig.append(&text[..text.len() / 2]);
    rig.faults.fail_next_commit(Fault::Refused);
    let _ = rig.worker.turn().await;
    rig.turn_at("10:15:30").await;
    let batches = rig.analyzer.batches();
    assert_eq!((batches.len(), saves(&batches[0])), (1, 60_000));
    assert!(batches[0].intake.duplicates >= 29_999);
}

/// CO-9: a file that went away unread is told once: in the batch, and to people for a day, whatever fails and restarts.
#[tokio::test]
async fn a_lost_file_is_told_once_whatever_fails() {
    for fault in [Fault::None, Fault::Refused, Fault::AnswerLost] {
        let mut rig = Rig::new().await;
        rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
        rig.append(&saved("10:00:00", "read"));
        rig.turn().await;
        rig.append(&saved("10:00:00", "not read"));
        fs::rename(rig.path("a.jsonl"), rig.directory.path().join("far.jsonl")).unwrap();
        rig.kill();
        rig.faults.fail_next_commit(fault);
        let _ = rig.worker.turn().await;
        rig.turn().await;
        rig.kill();
        rig.turn_at("10:15:30").await;
        let batches = rig.analyzer.batches();
        let intake = &batches[0].intake;
        assert_eq!((saves(&batches[0]), intake.lost, intake.lost_files.len()), (1, 1, 1), "{fault:?}");
        let told = rig.worker.source_ails().lost;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((&told[0].file, told[0].bytes), (&intake.lost_files[0].file, intake.lost_files[0].bytes));
        assert_eq!((told[0].file.as_str(), told[0].bytes), (rig.path("a.jsonl").to_str().unwrap(), None));
        rig.clock.set(crate::rig::at("10:15:30").plus(std::time::Duration::from_secs(24 * 3600)));
        assert_eq!(rig.worker.source_ails().lost, []);
    }
}
