//! The store's queries go by indexes, on both engines, however long the history is.

use std::time::Duration;

use collector_svc::state::TargetState;
use collector_svc::store::{Commit, Committed, Delivery, MIGRATIONS, Store, past, record_delivery};
use domain::policy::Retention;
use futures_util::future::join_all;
use phasegate_tests::plans::{Plans, numbers};
use service_kit::retention;
use shared_types::{TargetName, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::rig::{autosave, policy};
use crate::store::{closed, commit};

async fn plans() -> (Plans, Store) {
    let wide = "x".repeat(600);
    let fill = [
        format!(
            "{} INSERT INTO targets (target, generation, commit_ids, state) SELECT 't' || n, 1, '', '{wide}' FROM n",
            numbers(501)
        ),
        format!(
            "{} INSERT INTO batches (target, window_start_ms, window_end_ms, phase, epoch, batch, collected_at_ms, sent, \
                 delivered_at_ms) \
             SELECT 't' || (n % 500 + 1), n, n + 1, 'A', 1, '{wide}', n, 1, CASE WHEN n % 400 = 0 THEN NULL ELSE n END FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO outbox (id, dedup_key, lane, kind, subject, payload, retry, state, due_at, next_at, claims, enqueued_at, \
                 finished_at) \
             SELECT CAST(n AS TEXT), 'archive/t1/' || n, 'archive/t1', 'k', 's', '{{}}', '{{}}', 'done', n, n, 1, n, n FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO push_answers (target, idempotency_key, body_hash, answer, answered_at_ms) \
             SELECT 't' || (n % 500 + 1), CAST(n AS TEXT), 'h', '{wide}', n FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO source_positions (target, file_id, byte_offset, position, seen_at_ms) \
             SELECT 't' || (n % 500 + 1), CAST(n AS TEXT), 0, '{wide}', n FROM n",
            numbers(2_000)
        ),
        format!(
            "{} INSERT INTO partials (target, window_start_ms, generation, totals, id_hashes) \
             SELECT 't' || (n % 500 + 1), n, n, '{wide}', CAST('' AS BYTEA) FROM n",
            numbers(5_000)
        ),
    ];
    let plans = Plans::over("collector", MIGRATIONS, &fill).await;
    let store = Store::new(plans.db());
    (plans, store)
}

#[tokio::test]
async fn what_a_worker_asks_for_each_second_is_found_by_indexes() {
    let (mut plans, store) = plans().await;
    let at = Timestamp::from_millis(7);
    store.oldest_undelivered(&autosave(), at).await.unwrap();
    store.batch(&autosave(), at).await.unwrap();
    store.last_batch(&autosave()).await.unwrap();
    store.answer(&autosave(), "k").await.unwrap();
    store.totals(&autosave(), at).await.unwrap();
    store.ids(&autosave(), at).await.unwrap();
    store.ids_since(&autosave(), 1).await.unwrap();
    store.load(&autosave(), &TargetState::initial(Duration::from_secs(900))).await.unwrap();
    let eight = (0..8).map(|n| Timestamp::from_millis(n * 1_000));
    let target = &autosave();
    join_all(eight.clone().map(|start| store.batch(target, start))).await;
    join_all(eight.clone().map(|start| store.totals(target, start))).await;
    store.states(&[autosave()]).await.unwrap();
    plans.assert_by_index(&[]).await;
}

/// Alone, and where the windows of several targets end at one time.
#[tokio::test]
async fn a_commit_and_what_became_of_a_batch_go_by_indexes() {
    let (mut plans, store) = plans().await;
    let state = TargetState::initial(Duration::from_secs(900));
    let names: Vec<_> = (0..8).map(|n| TargetName::parse(&format!("new-{n}")).unwrap()).collect();
    let mut commits = Vec::new();
    for target in names {
        let loaded = store.load(&target, &state).await.unwrap();
        let mut closes = closed(&policy(), "10:00:00", "10:15:00", true);
        closes.batch.target = target.clone();
        commits.push(Commit { target, closed: vec![closes], ..commit(loaded.generation, &state) });
    }
    let committed = join_all(commits.iter().map(|it| store.commit(it))).await;
    assert!(committed.iter().all(|it| matches!(it, Ok(Committed::Yes(_)))), "{committed:?}");
    assert_eq!(store.commit(&commits[0]).await.unwrap(), Committed::Conflict);
    let mut tx = plans.db().begin().await.unwrap();
    for commit in &commits {
        let start = commit.closed[0].batch.window.start;
        record_delivery(&mut tx, &commit.target, start, &Delivery::Delivered, commit.now);
    }
    tx.commit().await.unwrap();
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn what_is_past_its_time_is_found_by_an_index() {
    let (mut plans, _) = plans().await;
    let year = Some(Duration::from_secs(365 * 24 * 3600));
    let keep =
        Retention { batches: year, histograms: None, decisions: year, notifications: year, audit: None };
    let past = past(keep, Timestamp::parse("2027-11-22T10:00:00Z").unwrap());
    retention::turn(&plans.db(), &past, &CancellationToken::new()).await;
    // A few rows a target, whose time is written with every commit: an index would cost more than it saves.
    plans.assert_by_index(&["source_positions"]).await;
}
