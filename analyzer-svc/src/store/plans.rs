//! The store's queries go by indexes, on both engines, however long the history is.

use domain::gate::fixture::{Counts, autosave};
use domain::policy::Retention;
use phasegate_tests::counted;
use phasegate_tests::plans::{Plans, busy_outbox, numbers};
use service_kit::retention;
use tokio_util::sync::CancellationToken;

use super::conformance::{commit_of, delay_of, name};
use super::*;

/// A history of 500 targets.
async fn plans() -> (Plans, Store) {
    let wide = "x".repeat(600);
    let fill = [
        format!(
            "{} INSERT INTO targets (target, version, watch, watch_deadline_ms) SELECT 't' || n, 1, '{wide}', n FROM n",
            numbers(500)
        ),
        format!(
            "{} INSERT INTO decisions (decision_id, target, phase, epoch, window_start_ms, window_end_ms, verdict, cause, \
                 policy_version, decided_at_ms, sequence, body) \
             SELECT CAST(n AS TEXT), 't' || (n % 500 + 1), 'A', 1, n, n + 1, \
                 CASE WHEN n % 1000 = 0 THEN 'violation' ELSE 'ok' END, 'slo', 'p', n, n, '{wide}' FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO batches (target, window_start_ms, window_end_ms, phase, epoch, verdict, decision_id, batch_hash, \
                 received_at_ms, counters, body) \
             SELECT 't' || (n % 500 + 1), n, n + 1, 'A', 1, CASE WHEN n % 1000 = 0 THEN 'violation' ELSE 'ok' END, \
                 CAST(n AS TEXT), 'h', n, '{{}}', '{wide}' FROM n",
            numbers(20_000)
        ),
        format!(
            "{} INSERT INTO collector_events (event_id, target, decision_id, received_at_ms, body) \
             SELECT CAST(n AS TEXT), 't' || (n % 500 + 1), CAST(n AS TEXT), n, '{wide}' FROM n",
            numbers(5_000)
        ),
        format!(
            "{} INSERT INTO refused_batches (target, window_start_ms, batch_hash, received_at_ms, body) \
             SELECT 't' || (n % 500 + 1), n, 'h', n, '{wide}' FROM n",
            numbers(5_000)
        ),
    ];
    let fill = [&fill[..], &busy_outbox()].concat();
    let plans = Plans::over("analyzer", MIGRATIONS, &fill).await;
    let store = Store::new(plans.db());
    (plans, store)
}

/// Bodies are none that could be read; what counts is how they are looked for.
#[tokio::test]
async fn lists_go_by_indexes_whatever_they_are_narrowed_to() {
    let (mut plans, store) = plans().await;
    let after = (DecisionKey(15_000, Uuid::nil()), BatchKey(15_000, autosave()));
    for target in [None, Some(autosave())] {
        for verdict in [None, Some(Verdict::Violation)] {
            let filter = Filter { target: target.clone(), verdict, ..Filter::default() };
            let bounded = Filter {
                from: Some(Timestamp::from_millis(5)),
                to: Some(Timestamp::from_millis(9_000)),
                ..filter.clone()
            };
            store.decisions(&filter, None, 50).await.ok();
            store.batches(&filter, None, 50).await.ok();
            store.decisions(&bounded, Some(&after.0), 50).await.ok();
            store.batches(&bounded, Some(&after.1), 50).await.ok();
        }
    }
    let filter = Filter { target: Some(autosave()), epoch: Some(1), ..Filter::default() };
    store.decisions(&filter, None, 50).await.ok();
    store.batches(&filter, None, 50).await.ok();
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn what_a_batch_is_judged_by_is_found_by_indexes() {
    let (mut plans, store) = plans().await;
    let (from, to) = (Timestamp::from_millis(5), Timestamp::from_millis(9_000));
    store.receipt(&autosave(), from).await.unwrap();
    let wanted = |target| Wanted { target, epoch: 1, window_start: to, since: from };
    store.known(wanted(autosave())).await.unwrap();
    let many = (1..=8).map(|n| store.known(wanted(TargetName::parse(&format!("t{n}")).unwrap())));
    futures_util::future::join_all(many).await;
    store.overdue(from, 50).await.ok();
    plans.assert_by_index(&[]).await;
}

/// Alone, and where several targets are judged at one time.
#[tokio::test]
async fn a_commit_finds_what_it_changes_by_indexes() {
    let (mut plans, store) = plans().await;
    let commits: Vec<_> =
        (1..=8).map(|n| commit_of(&name(&format!("new-{n}")), &Counts::default())).collect();
    let committed = futures_util::future::join_all(commits.iter().map(|it| store.commit(it))).await;
    assert!(committed.iter().all(|it| matches!(it, Ok(Committed::Done))), "{committed:?}");
    // Known, so that nothing of it is done in company, nor alone.
    assert_eq!(store.commit(&commits[0]).await.unwrap(), Committed::Outdated);
    let mut again = commits[0].clone();
    again.state.version = 1;
    assert_eq!(store.commit(&again).await.unwrap(), Committed::Outdated);
    let (batch, hash) = commits[0].batch.clone().unwrap();
    store.refuse(&batch, "another", again.now).await.unwrap();
    store.note_event(&delay_of(&autosave(), 1).event.unwrap(), Uuid::nil(), again.now).await.unwrap();
    assert!(
        store.receipt(&batch.target, batch.window.start).await.unwrap().is_some_and(|it| it.hash == hash)
    );
    store.targets(&commits.iter().map(|it| it.state.target.clone()).collect::<Vec<_>>()).await.unwrap();
    store.known_to(&commits[0].decision, Timestamp::from_millis(0)).await.unwrap();
    store.previous(&commits[0].decision).await.unwrap();
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn what_a_decision_was_made_from_is_found_by_indexes() {
    let (mut plans, store) = plans().await;
    let (from, to) = (Timestamp::from_millis(5), Timestamp::from_millis(9_000));
    let name = TargetName::parse("t7").unwrap();
    store.decision(Uuid::nil()).await.unwrap();
    store.batch_of(Uuid::nil()).await.unwrap();
    store.event_of(Uuid::nil()).await.unwrap();
    let span = store.span(&name, from, to).await.unwrap().unwrap();
    for whole in [false, true] {
        store.recorded(&span, &RecordedKey::before(&span), whole, 200).await.ok();
    }
    plans.assert_by_index(&[]).await;
}

#[tokio::test]
async fn what_is_past_its_time_is_found_by_an_index() {
    let (mut plans, _) = plans().await;
    let year = Some(Duration::from_secs(365 * 24 * 3600));
    let keep =
        Retention { batches: year, histograms: year, decisions: year, notifications: year, audit: None };
    let past = past(keep, Timestamp::parse("2027-11-22T10:00:00Z").unwrap());
    retention::turn(&plans.db(), &past, &CancellationToken::new()).await;
    plans.assert_by_index(&[]).await;
}

/// Planned for the values at hand PostgreSQL takes it that every decision has a batch, and would read all batches for each piece.
#[tokio::test]
async fn whether_a_decision_has_a_batch_is_looked_up_one_by_one() {
    let (plans, _) = plans().await;
    let db = plans.db();
    sqlx::query("SET plan_cache_mode = force_custom_plan").execute(db.pool()).await.unwrap();
    let year = Some(Duration::from_secs(365 * 24 * 3600));
    let keep =
        Retention { batches: None, histograms: None, decisions: year, notifications: None, audit: None };
    let past = past(keep, Timestamp::parse("2027-11-22T10:00:00Z").unwrap());
    retention::turn(&db, &past, &CancellationToken::new()).await;
    let looked = counted::lookups(&db, "batches_decision_id_key").await;
    assert!(looked >= 20_000, "{looked}");
}
