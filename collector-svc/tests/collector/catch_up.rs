//! Much to be read at once: what a commit carries, what is stored at all, and who need not wait for it.

use std::fmt::Write as _;

use collector_svc::sources::PushReply;
use collector_svc::state::TargetState;
use collector_svc::store::Position;

use crate::rig::{Fault, Rig, at, autosave, directive, saved, saves};

/// Lines that are quickly read.
const LINE_BYTES: usize = 60_000;
const PIECE: usize = 4 << 20;
/// Of a commit while there is more.
const GATHERED: usize = 32 << 20;

/// Saves with these ids, in as many bytes as that.
fn padded(time: &str, ids: impl Iterator<Item = usize>) -> String {
    ids.fold(String::new(), |mut text, id| {
        let line = saved(time, &format!("event-{id}"));
        let note = "n".repeat(LINE_BYTES - line.len());
        writeln!(text, "{},\"note\":\"{note}\"}}", line.trim_end().strip_suffix('}').unwrap()).unwrap();
        text
    })
}

/// Remembers what was ever written of open windows.
async fn watch_partials(rig: &Rig) {
    for statement in [
        "CREATE TABLE written (ids BIGINT)",
        "CREATE TRIGGER seen AFTER INSERT ON partials BEGIN INSERT INTO written VALUES (length(NEW.id_hashes) / 8); END",
    ] {
        sqlx::query(statement).execute(rig.db.pool()).await.unwrap();
    }
}

/// The ids of each partial that was written.
async fn partials_written(rig: &Rig) -> Vec<i64> {
    let rows = sqlx::query_as::<_, (i64,)>("SELECT ids FROM written").fetch_all(rig.db.pool()).await.unwrap();
    rows.into_iter().map(|(ids,)| ids).collect()
}

async fn bytes_committed(rig: &Rig) -> usize {
    let initial = TargetState::initial(rig.policy.collection.window);
    let places = rig.store.load(&autosave(), &initial).await.unwrap().places;
    let offset = |place| Position::of(place).unwrap().cursor.offset;
    places.iter().map(|place| usize::try_from(offset(place)).unwrap()).sum()
}

/// TE-5: windows that are due when they are read become batches in the commit that counts them; nothing else of them is ever
/// stored.
#[tokio::test]
async fn a_window_that_closes_with_what_is_read_is_stored_as_its_batch_only() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    watch_partials(&rig).await;
    rig.append(&(saved("10:01:00", "a") + &saved("10:02:00", "b") + &saved("10:15:20", "open")));
    rig.clock.set(at("10:15:30"));
    let before = rig.db.commits();
    rig.turn().await;
    assert_eq!(rig.db.commits() - before, 1);
    assert_eq!(partials_written(&rig).await, [1], "of the window that is still open");
    rig.work().await;
    assert_eq!(rig.delivered_saves(), 2);
    rig.turn_at("10:30:30").await;
    assert_eq!(rig.delivered_saves(), 3);
    rig.assert_outbox_empty().await;
}

/// TE-4, TE-5: while there is more, many pieces share a commit, as many as are bounded; an id of an earlier one is known.
#[tokio::test]
async fn pieces_share_a_commit_while_there_is_more() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    let count = GATHERED / LINE_BYTES + 10;
    rig.append(&padded("10:05:00", (0..count).chain(0..10)));
    rig.clock.set(at("10:06:00"));
    let before = rig.db.commits();
    assert!(rig.worker.turn().await.unwrap().more);
    assert_eq!(rig.db.commits() - before, 1);
    let committed = bytes_committed(&rig).await;
    assert!((GATHERED - PIECE..GATHERED + PIECE).contains(&committed), "{committed}");
    rig.turn().await;
    assert_eq!(rig.db.commits() - before, 2);
    rig.turn_at("10:15:30").await;
    let batches = rig.analyzer.batches();
    assert_eq!((batches.len(), saves(&batches[0]), batches[0].intake.duplicates), (1, count as u64, 10));
}

/// TE-5: who pushes waits for the piece that is being read, and not for all that is still to come.
#[tokio::test]
async fn a_push_is_answered_with_the_next_piece() {
    let mut rig = Rig::new().await;
    rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
    rig.append(&padded("10:05:00", 0..4 * PIECE / LINE_BYTES));
    rig.clock.set(at("10:06:00"));
    let mut answer = rig.push(&saved("10:05:00", "pushed"), None);
    assert!(rig.worker.turn().await.unwrap().more);
    assert!(matches!(answer.try_recv(), Ok(PushReply::Committed(_))));
    let committed = bytes_committed(&rig).await;
    assert!((1..=PIECE).contains(&committed), "{committed}");
}

/// TE-4, TE-5: a window that is counted over several commits and closed by the last one has each event once, whatever fails on
/// the way.
#[tokio::test]
async fn what_fails_on_the_way_is_counted_once() {
    for fault in [Fault::None, Fault::Refused, Fault::AnswerLost] {
        let mut rig = Rig::new().await;
        rig.worker.direct(&directive(1, "A", 1)).await.unwrap();
        let half = GATHERED / LINE_BYTES + 10;
        rig.append(&padded("10:05:00", 0..half));
        rig.append(&(padded("10:05:00", half..half + 30) + &padded("10:05:00", 0..20)));
        rig.clock.set(at("10:15:30"));
        rig.faults.fail_next_commit(fault);
        let _ = rig.worker.turn().await;
        rig.faults.fail_next_commit(fault);
        let _ = rig.worker.turn().await;
        rig.turn().await;
        rig.work().await;
        let batches = rig.analyzer.batches();
        assert_eq!((batches.len(), saves(&batches[0])), (1, half as u64 + 30), "{fault:?}");
        assert_eq!(batches[0].intake.duplicates, 20, "{fault:?}");
        rig.assert_outbox_empty().await;
    }
}
