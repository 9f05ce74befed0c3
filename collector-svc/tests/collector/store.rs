//! Every method of the store, on both engines.

use domain::telemetry::event_specs;
use futures_util::future::join_all;
use std::time::Duration;

use collector_svc::effects::WriteArchive;
use collector_svc::intake::WindowChange;
use collector_svc::state::TargetState;
use collector_svc::store::{
    ClosedWindow, Commit, Committed, Delivery, FileCursor, MIGRATIONS, Place, Position, PushAnswer, Store,
    past, record_delivery,
};
use domain::policy::{Retention, TargetPolicy};
use domain::telemetry::totals::{BatchHead, Totals};
use events::records::MalformedLine;
use phasegate_tests::stores::both_engines;
use service_kit::db::Db;
use service_kit::outbox;
use service_kit::retention;
use shared_types::{PhaseId, Timestamp, Window};
use tokio_util::sync::CancellationToken;

use crate::rig::{at, autosave, policy};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_keeps_its_word_on_both_engines() {
    both_engines("collector", MIGRATIONS, conformance).await;
}

/// OP-6: a row that the release before has written is read, and what is written of a file now is read by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_of_the_release_before_are_read_and_written() {
    both_engines("collector", MIGRATIONS, |db: Db| async move {
        let (store, state) = (Store::new(db.clone()), TargetState::initial(Duration::from_secs(900)));
        store.load(&autosave(), &state).await.unwrap();
        let row = r#"{"file_id":"1:2","path":"a.jsonl","offset":100,"line":7,"fingerprint":"f","fingerprint_length":256,"skipping":false,"malformed":1,"errors":[{"line":3,"reason":"not UTF-8"}]}"#;
        sqlx::query(
            "INSERT INTO source_positions (target, file_id, byte_offset, position, seen_at_ms) \
             VALUES ('autosave', '1:2', 100, $1, 0)",
        )
        .bind(row)
        .execute(db.pool())
        .await
        .unwrap();
        assert_eq!(store.load(&autosave(), &state).await.unwrap().places, [position(100)]);

        let mut moved = commit(1, &state);
        let meter = Place {
            source: "meter".into(),
            name: "saves".into(),
            cursor: serde_json::json!({ "until": 7 }),
            malformed: 2,
            errors: vec![],
        };
        moved.places = vec![position(200), meter.clone()];
        store.commit(&moved).await.unwrap();
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as("SELECT file_id, byte_offset, position FROM source_positions ORDER BY file_id")
                .fetch_all(db.pool())
                .await
                .unwrap();
        let form = row.replace("100", "200").replacen('{', r#"{"v":1,"#, 1);
        assert_eq!((rows[0].1, rows[0].2.as_str()), (200, form.as_str()));
        assert!(rows.iter().all(|row| serde_json::from_str::<Position>(&row.2).is_ok()), "{rows:?}");
        assert_eq!(store.load(&autosave(), &state).await.unwrap().places, [position(200), meter]);
    })
    .await;
}

pub(crate) fn commit(generation: i64, state: &TargetState) -> Commit {
    Commit {
        target: autosave(),
        generation,
        ids: format!("commit-{generation}"),
        state: state.clone(),
        windows: vec![],
        places: vec![],
        forgotten: vec![],
        answers: vec![],
        closed: vec![],
        messages: vec![],
        now: at("10:00:00"),
    }
}

fn change(start: Timestamp, saves: u64, new_ids: &[u64]) -> WindowChange {
    let mut totals = Totals::default();
    totals.counters.insert("autosave.save.completed".into(), saves);
    totals.distributions.entry("autosave.save.completed".into()).or_default().0.record(640.0);
    WindowChange { start, totals, new_ids: new_ids.to_vec() }
}

pub(crate) fn position(offset: u64) -> Place {
    let position = Position {
        file_id: "1:2".into(),
        cursor: FileCursor {
            path: "a.jsonl".into(),
            offset,
            line: 7,
            fingerprint: "f".into(),
            fingerprint_length: 256,
            ..FileCursor::default()
        },
        malformed: 1,
        errors: vec![MalformedLine { line: 3, reason: "not UTF-8".into() }],
    };
    position.into_place().unwrap()
}

pub(crate) fn closed(policy: &TargetPolicy, start: &str, end: &str, sent: bool) -> ClosedWindow {
    let specs = event_specs(policy).unwrap();
    let head = BatchHead {
        target: autosave(),
        phase: PhaseId::parse("A").unwrap(),
        epoch: 1,
        window: Window { start: at(start), end: at(end) },
        next_window: None,
        attempts: 1,
        source: "jsonl",
        collected_at: at(end),
        paused: Duration::ZERO,
        policy_version: None,
    };
    ClosedWindow { batch: Totals::default().into_batch(head, &specs), sent }
}

async fn conformance(db: Db) {
    let store = Store::new(db.clone());
    let (target, policy) = (autosave(), policy());
    let mut state = TargetState::initial(Duration::from_secs(900));
    let loaded = store.load(&target, &state).await.unwrap();
    assert_eq!((loaded.generation, &loaded.state, loaded.open.len()), (1, &state, 0));
    assert_eq!(store.load(&target, &state).await.unwrap(), loaded);

    // Counts add up, ids and positions and answers are there, and a stale writer is told so.
    let (ten, quarter) = (at("10:00:00"), at("10:15:00"));
    state.newest_event = quarter;
    let mut first = commit(1, &state);
    first.windows = vec![change(ten, 2, &[1, u64::MAX]), change(quarter, 1, &[])];
    first.places = vec![position(100)];
    first.answers =
        vec![PushAnswer { idempotency_key: "k".into(), body_hash: "h".into(), answer: "{}".into() }];
    assert_eq!(store.commit(&first).await.unwrap(), Committed::Yes(2));
    assert_eq!(store.commit(&first).await.unwrap(), Committed::Conflict);
    let mut second = commit(2, &state);
    second.windows = vec![change(ten, 3, &[7])];
    second.places = vec![position(200)];
    assert_eq!(store.commit(&second).await.unwrap(), Committed::Yes(3));

    let loaded = store.load(&target, &state).await.unwrap();
    assert_eq!((loaded.generation, loaded.commit_ids.as_str()), (3, "commit-2"));
    assert_eq!(
        (loaded.open, loaded.places, loaded.state),
        (vec![ten, quarter], vec![position(200)], state.clone())
    );
    let totals = store.totals(&target, ten).await.unwrap();
    assert_eq!(totals.counters["autosave.save.completed"], 5);
    assert_eq!(totals.distributions["autosave.save.completed"].0.count(), 2);
    assert_eq!(store.totals(&target, at("11:00:00")).await.unwrap(), Totals::default());
    // CO-1: asked for twice at one time, what was counted is counted once.
    let twice = join_all([ten, ten].map(|start| store.totals(&target, start))).await;
    assert!(twice.into_iter().all(|it| it.unwrap() == totals));
    let mut ids = store.ids(&target, ten).await.unwrap();
    ids.sort_unstable();
    assert_eq!(ids, [1, 7, u64::MAX]);
    let since = store.ids_since(&target, 2).await.unwrap();
    assert_eq!((since.len(), since[0].window_start, &since[0].hashes), (1, ten, &vec![7]));
    assert_eq!(store.answer(&target, "k").await.unwrap(), Some(first.answers[0].clone()));
    assert_eq!(store.answer(&target, "other").await.unwrap(), None);

    closing(&store, &db, &policy, &state).await;
    let keep = Retention {
        batches: Some(Duration::from_secs(1)),
        histograms: None,
        decisions: None,
        notifications: None,
        audit: None,
    };
    let forever = Retention { batches: None, ..keep };
    let past_a_week = at("10:15:00").plus(Duration::from_secs(7 * 86_400));
    let forget = async |now| retention::turn(&db, &past(forever, now), &CancellationToken::new()).await;
    let archiving = WriteArchive { target: target.clone(), window_start: ten };
    let mut tx = db.begin().await.unwrap();
    outbox::enqueue(&mut tx, &archiving.message(ten), ten).unwrap();
    tx.commit().await.unwrap();
    forget(past_a_week.plus(Duration::from_millis(1))).await;
    assert!(store.batch(&target, ten).await.unwrap().is_some(), "the archive has not got it");
    sqlx::query("DELETE FROM outbox").execute(db.pool()).await.unwrap();
    forget(past_a_week).await;
    assert!(store.batch(&target, ten).await.unwrap().is_some(), "a week");
    forget(past_a_week.plus(Duration::from_millis(1))).await;
    assert_eq!(store.batch(&target, ten).await.unwrap(), None, "analyzer and archive have it");
    assert!(store.batch(&target, quarter).await.unwrap().is_some(), "the newest, and not delivered");
    let later = at("10:00:00").plus(Duration::from_secs(40 * 86_400));
    retention::turn(&db, &past(keep, later), &CancellationToken::new()).await;
    assert_eq!(store.answer(&target, "k").await.unwrap(), None);
    assert_eq!(store.load(&target, &state).await.unwrap().places, []);
    assert!(store.batch(&target, quarter).await.unwrap().is_some(), "what was not delivered is kept");
}

/// A closed window's counts are gone, its batch is there once, and its delivery is followed.
async fn closing(store: &Store, db: &Db, policy: &TargetPolicy, state: &TargetState) {
    let (target, ten, quarter) = (autosave(), at("10:00:00"), at("10:15:00"));
    let mut closing = commit(3, state);
    closing.closed =
        vec![closed(policy, "10:00:00", "10:15:00", true), closed(policy, "10:15:00", "10:30:00", true)];
    // What was counted since of a window that is closed here is in its batch.
    closing.windows = vec![change(ten, 1, &[9])];
    assert_eq!(store.commit(&closing).await.unwrap(), Committed::Yes(4));
    assert_eq!(store.load(&target, state).await.unwrap().open, []);
    assert_eq!(store.ids(&target, ten).await.unwrap(), Vec::<u64>::new());
    let mut again = commit(4, state);
    again.closed = vec![closed(policy, "10:00:00", "10:15:00", true)];
    again.windows = vec![change(at("10:30:00"), 1, &[])];
    assert!(store.commit(&again).await.unwrap_err().is_unique_violation());
    assert_eq!(store.load(&target, state).await.unwrap().generation, 4, "all or nothing");

    let row = store.batch(&target, ten).await.unwrap().unwrap();
    assert_eq!((row.batch, row.sent, row.delivered_at), (closing.closed[0].batch.clone(), true, None));
    let last = store.last_batch(&target).await.unwrap().unwrap();
    assert_eq!(last.batch.window.start, quarter);
    // Asked at one time, by the archive too.
    let at_once = [ten, quarter, ten, at("10:30:00")].map(|start| store.batch(&target, start));
    let found: Vec<_> = join_all(at_once).await.into_iter().map(|it| it.unwrap()).collect();
    let starts: Vec<_> = found.iter().map(|it| it.as_ref().map(|row| row.batch.window.start)).collect();
    assert_eq!(starts, [Some(ten), Some(quarter), Some(ten), None]);
    for (delivery, minute) in
        [(Delivery::Failed("503".into()), "10:16:00"), (Delivery::Delivered, "10:17:00")]
    {
        let mut tx = db.begin().await.unwrap();
        record_delivery(&mut tx, &target, ten, &delivery, at(minute));
        tx.commit().await.unwrap();
    }
    let row = store.batch(&target, ten).await.unwrap().unwrap();
    assert_eq!((row.attempts, row.delivered_at), (2, Some(at("10:17:00"))));
    assert_eq!(row.last_error.as_deref(), Some("503"));
    let undelivered = store.oldest_undelivered(&target, at("10:00:00")).await.unwrap().unwrap();
    assert_eq!(undelivered.batch.window.start, quarter);
    assert_eq!(store.oldest_undelivered(&target, at("10:30:00")).await.unwrap(), None);
}
