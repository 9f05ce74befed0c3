//! Every method of the store, on every engine.

use std::time::Duration;

use domain::policy::Retention;
use service_kit::db::Db;
use service_kit::outbox::{self, OutboxStats};
use service_kit::retention;
use shared_types::decision::Cause;
use shared_types::{Decision, PhaseId, TargetName, Timestamp, Verdict};
use sqlx::Row as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::effects::DeliverDecision;
use crate::testing::on_each_engine;
use domain::gate::fixture::{
    COMPLETED, Counts, DRIFT, autosave, judge_batch, judge_missing, policy, ten_o_clock, window,
};
use domain::gate::watch::Watch;
use domain::gate::{Basis, Subject, batch_hash};

pub(super) fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

/// A batch and its decision, as the analyzer would make them.
pub(super) fn commit_of(target: &TargetName, counts: &Counts) -> Commit {
    let policy = policy();
    let mut batch = counts.batch();
    batch.target = target.clone();
    let checked = domain::gate::CheckedBatch::check(batch.clone(), &policy).unwrap();
    let judgement = judge_batch(&checked, &[], &policy, policy.phase(&batch.phase).unwrap());
    let (hash, now) = (batch_hash(&batch), batch.collected_at);
    let decision = judgement.into_decision(
        Subject::of(&batch),
        Basis { batch_hash: Some(hash.clone()), sequence: 1, ..Basis::default() },
        "sha256:p",
        None,
        now,
    );
    Commit {
        state: GateState::unheard(target.clone()),
        message: DeliverDecision::message(&decision, now),
        decision,
        batch: Some((batch, hash)),
        event: None,
        now,
    }
}

pub(super) fn delay_of(target: &TargetName, n: u32) -> Commit {
    let policy = policy();
    let judgement =
        judge_missing(Cause::CollectionDelayed, Duration::from_secs(300), &policy, &policy.phases[0]);
    let subject = Subject {
        target: target.clone(),
        ..Subject::of(&Counts { window: window(n), ..Counts::default() }.batch())
    };
    let now = window(n).end;
    let decision = judgement.into_decision(subject.clone(), Basis::default(), "sha256:p", None, now);
    let event = CollectorEvent {
        event_id: Uuid::from_u128(u128::from(n) + 1),
        kind: shared_types::collector_event::CollectorEventKind::Delayed,
        target: subject.target,
        phase: subject.phase,
        epoch: subject.epoch,
        window: subject.window,
        elapsed_ms: 300_000,
        attempts: 2,
        detail: "connection refused".into(),
        occurred_at: now,
    };
    Commit {
        state: GateState::unheard(target.clone()),
        message: DeliverDecision::message(&decision, now),
        decision,
        batch: None,
        event: Some(event),
        now,
    }
}

/// Commits against the version that is stored now.
async fn commit(store: &Store, mut commit: Commit) -> Decision {
    commit.state.version = store.target(&commit.state.target).await.unwrap().version;
    let evidence = commit.decision.evidence.as_mut().unwrap();
    evidence.sequence = u64::try_from(commit.state.version).unwrap() + 1;
    assert_eq!(store.commit(&commit).await.unwrap(), Committed::Done);
    commit.decision
}

/// Everything for ever.
const KEEP: Retention =
    Retention { batches: None, histograms: None, decisions: None, notifications: None, audit: None };

/// One turn of the retention, as it is at that time; how many rows went.
async fn forget(db: &Db, keep: Retention, at: Timestamp) -> u64 {
    retention::turn(db, &past(keep, at), &CancellationToken::new()).await
}

async fn count(db: &Db, table: &'static str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS n FROM {table}"));
    sqlx::query(sql).fetch_one(db.pool()).await.unwrap().try_get("n").unwrap()
}

async fn messages(db: &Db) -> u64 {
    outbox::stats(db, Timestamp::from_millis(i64::MAX)).await.unwrap().ready
}

#[tokio::test]
async fn target_is_changed_only_by_who_saw_its_last_version() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        let mut state = store.target(&autosave()).await.unwrap();
        assert_eq!(state, GateState::unheard(autosave()));

        let mut run = Run::fresh(3);
        run.take(window(0), domain::gate::Contribution::Feeds);
        state.run = Some((PhaseId::parse("B").unwrap(), run));
        state.watch = Watch::after_batch(None, &Counts::default().batch(), Duration::from_secs(300));
        assert_eq!(store.save_target(&state).await.unwrap(), Committed::Done);
        assert_eq!(store.save_target(&state).await.unwrap(), Committed::Outdated, "it is there already");

        let mut stored = store.target(&autosave()).await.unwrap();
        assert_eq!((stored.version, &stored.run, &stored.watch), (1, &state.run, &state.watch));
        stored.watch = None;
        assert_eq!(store.save_target(&stored).await.unwrap(), Committed::Done);
        assert_eq!(store.save_target(&stored).await.unwrap(), Committed::Outdated);
        assert_eq!(store.target(&autosave()).await.unwrap(), GateState { version: 2, ..stored });
    })
    .await;
}

/// DE-5: decision, batch, run and message commit together, or not at all.
#[tokio::test]
async fn decision_commits_with_all_that_belongs_to_it_or_not_at_all() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        let first = commit_of(&autosave(), &Counts::default());
        let decision = commit(&store, first.clone()).await;
        assert_eq!(store.decision(decision.decision_id).await.unwrap(), Some(decision.clone()));
        let receipt = store.receipt(&autosave(), window(0).start).await.unwrap().unwrap();
        assert_eq!((receipt.decision_id, receipt.window), (decision.decision_id, window(0)));
        assert_eq!((receipt.hash, receipt.received_at), (first.batch.clone().unwrap().1, first.now));
        assert_eq!((messages(&db).await, store.target(&autosave()).await.unwrap().version), (1, 1));

        let outdated = Counts { window: window(1), ..Counts::default() };
        let refused = store.commit(&commit_of(&autosave(), &outdated)).await.unwrap();
        assert_eq!(refused, Committed::Outdated);
        let mut repeated = first;
        repeated.state.version = 1;
        assert_eq!(store.commit(&repeated).await.unwrap(), Committed::Outdated);
        assert_eq!((messages(&db).await, store.target(&autosave()).await.unwrap().version), (1, 1));
        assert_eq!((count(&db, "decisions").await, count(&db, "batches").await), (1, 1));

        let delay = commit(&store, delay_of(&autosave(), 1)).await;
        assert_eq!(count(&db, "collector_events").await, 1);
        assert_eq!(store.decision(delay.decision_id).await.unwrap().unwrap().cause, Cause::CollectionDelayed);
        assert_eq!((messages(&db).await, store.target(&autosave()).await.unwrap().version), (2, 2));
    })
    .await;
}

/// SLO-9: what was refused is kept, once, and changes nothing.
#[tokio::test]
async fn refused_batches_and_repeated_events_are_kept_once() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        let batch = Counts::default().batch();
        for _ in 0..2 {
            store.refuse(&batch, "sha256:a", ten_o_clock()).await.unwrap();
        }
        store.refuse(&batch, "sha256:b", ten_o_clock()).await.unwrap();
        assert_eq!(count(&db, "refused_batches").await, 2);
        assert_eq!(store.receipt(&autosave(), window(0).start).await.unwrap(), None);

        let event = delay_of(&autosave(), 0).event.unwrap();
        for _ in 0..2 {
            store.note_event(&event, Uuid::nil(), ten_o_clock()).await.unwrap();
        }
        assert_eq!(count(&db, "collector_events").await, 1);
    })
    .await;
}

/// SLO-9: a collector that sends another batch each time, of one window or of each, fills no database; what is left out is
/// counted, and what is old makes room.
#[tokio::test]
async fn refused_batches_are_kept_bounded_and_what_is_left_out_is_counted() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        let left_out = async || {
            let sql = "SELECT window_start_ms, left_out FROM refused_batches WHERE left_out > 0 ORDER BY 1";
            let rows: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(db.pool()).await.unwrap();
            rows
        };
        let of_window = |n| Counts { window: window(n), ..Counts::default() }.batch();
        for n in 0..10 {
            let at = ten_o_clock().plus(Duration::from_millis(n));
            let refused = store.refuse(&of_window(0), &format!("sha256:{n}"), at).await.unwrap();
            assert_eq!(refused, if n < 3 { Refused::Kept } else { Refused::LeftOut }, "{n}");
        }
        assert_eq!(store.refuse(&of_window(0), "sha256:1", ten_o_clock()).await.unwrap(), Refused::Kept);
        assert_eq!(count(&db, "refused_batches").await, 3);
        assert_eq!(left_out().await, [(window(0).start.as_millis(), 7)]);

        for n in 1..=200 {
            store
                .refuse(&of_window(n), "sha256:x", ten_o_clock().plus(Duration::from_secs(1)))
                .await
                .unwrap();
        }
        assert_eq!(count(&db, "refused_batches").await, 100);
        assert_eq!(left_out().await.iter().map(|it| it.1).sum::<i64>(), 7 + 103);
        let other = Batch { target: name("other"), ..of_window(0) };
        assert_eq!(store.refuse(&other, "sha256:x", ten_o_clock()).await.unwrap(), Refused::Kept);

        let month = Duration::from_secs(30 * 24 * 3600);
        assert_eq!(forget(&db, KEEP, ten_o_clock().plus(month)).await, 0, "none is older");
        let days = Retention { batches: Some(month * 2), ..KEEP };
        assert_eq!(forget(&db, days, ten_o_clock().plus(month + Duration::from_secs(2))).await, 101);
        assert_eq!(count(&db, "refused_batches").await, 0);
        assert_eq!(store.refuse(&of_window(9), "sha256:y", ten_o_clock()).await.unwrap(), Refused::Kept);
    })
    .await;
}

/// SLO-8: alarms that change nothing fill no database, however many ids they come under.
#[tokio::test]
async fn events_of_one_decision_are_noted_bounded() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        let event = delay_of(&autosave(), 0).event.unwrap();
        for _ in 0..30 {
            let again = CollectorEvent { event_id: Uuid::now_v7(), ..event.clone() };
            store.note_event(&again, Uuid::nil(), ten_o_clock()).await.unwrap();
        }
        assert_eq!(count(&db, "collector_events").await, 20);
        store.note_event(&event, Uuid::max(), ten_o_clock()).await.unwrap();
        assert_eq!(count(&db, "collector_events").await, 21);
    })
    .await;
}

/// SLO-5: history is of one target and epoch, and of the time asked for.
#[tokio::test]
async fn earlier_batches_are_those_of_the_epoch_in_the_time_asked_for() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        for n in 0..6 {
            let epoch = if n < 2 { 1 } else { 2 };
            let counts = Counts { window: window(n), epoch, drift: u64::from(n), ..Counts::default() };
            commit(&store, commit_of(&autosave(), &counts)).await;
        }
        commit(
            &store,
            commit_of(&name("other"), &Counts { window: window(3), epoch: 2, ..Counts::default() }),
        )
        .await;
        let found = |epoch, since, window_start| {
            let store = store.clone();
            async move {
                let wanted = Wanted { target: autosave(), epoch, window_start, since };
                let mut found = store.known(wanted).await.unwrap().earlier;
                found.sort_by_key(|batch| batch.window);
                found.iter().map(|batch| batch.counters[DRIFT]).collect::<Vec<_>>()
            }
        };
        let (all, end) = (ten_o_clock(), window(9).end);
        assert_eq!(found(2, all, end).await, [2, 3, 4, 5]);
        assert_eq!(found(1, all, end).await, [0, 1]);
        assert_eq!(found(2, window(2).end, window(5).start).await, [3, 4]);
        assert_eq!(found(3, all, end).await, [0_u64; 0]);
    })
    .await;
}

/// A list goes newest first, page after page, without gaps or repeats, also where windows are the same.
#[tokio::test]
async fn lists_are_paged_newest_first() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        for n in 0..3 {
            for target in ["autosave", "merge"] {
                let counts = Counts { window: window(n), ..Counts::default() };
                commit(&store, commit_of(&name(target), &counts)).await;
            }
        }
        commit(&store, delay_of(&autosave(), 3)).await;

        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.decisions(&Filter::default(), after.as_ref(), 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(DecisionKey::of(last));
            seen.extend(page);
        }
        assert_eq!(seen.len(), 7);
        assert!(seen.windows(2).all(|pair| pair[0].window.start >= pair[1].window.start));
        let ids: std::collections::BTreeSet<_> = seen.iter().map(|decision| decision.decision_id).collect();
        assert_eq!(ids.len(), 7);

        let mut batches = Vec::new();
        let mut after = None;
        loop {
            let page = store.batches(&Filter::default(), after.as_ref(), 4).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(BatchKey::of(last));
            batches
                .extend(page.iter().map(|stored| (stored.batch.window.start, stored.batch.target.clone())));
        }
        let mut sorted = batches.clone();
        sorted.sort_by(|left, right| right.cmp(left));
        assert_eq!((batches.len(), batches), (6, sorted));
    })
    .await;
}

#[tokio::test]
async fn lists_are_narrowed_by_their_filters() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        for (n, phase, epoch, drift) in [(0, "A", 1, 0), (1, "A", 1, 1), (2, "B", 2, 0), (3, "B", 2, 1)] {
            let counts = Counts { window: window(n), phase, epoch, drift, ..Counts::default() };
            commit(&store, commit_of(&autosave(), &counts)).await;
        }
        commit(&store, commit_of(&name("merge"), &Counts::default())).await;
        let none = Filter::default;
        let b = PhaseId::parse("B").unwrap();
        let cases = [
            (none(), 5),
            (Filter { target: Some(autosave()), ..none() }, 4),
            (Filter { target: Some(name("nobody")), ..none() }, 0),
            (Filter { verdict: Some(Verdict::Violation), ..none() }, 2),
            (Filter { phase: Some(b.clone()), ..none() }, 2),
            (Filter { epoch: Some(1), target: Some(autosave()), ..none() }, 2),
            (Filter { from: Some(window(1).start), ..none() }, 3),
            (Filter { to: Some(window(1).start), ..none() }, 2),
            (Filter { from: Some(window(1).start), to: Some(window(3).start), ..none() }, 2),
            (Filter { phase: Some(b), verdict: Some(Verdict::Ok), target: Some(autosave()), ..none() }, 1),
        ];
        for (filter, expected) in cases {
            let decisions = store.decisions(&filter, None, 100).await.unwrap();
            let batches = store.batches(&filter, None, 100).await.unwrap();
            assert_eq!((decisions.len(), batches.len()), (expected, expected), "{filter:?}");
        }
        let stored = store.batches(&Filter { target: Some(autosave()), ..none() }, None, 1).await.unwrap();
        assert_eq!((stored[0].verdict, stored[0].batch.counters[COMPLETED]), (Verdict::Violation, 1000));
    })
    .await;
}

/// JU-4: which verdicts there are is the gate's to say: the store keeps and finds each.
#[tokio::test]
async fn every_verdict_is_kept_and_found() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        let verdicts =
            [Verdict::Ok, Verdict::Insufficient, Verdict::Warn, Verdict::Unsure, Verdict::Violation];
        for (n, verdict) in std::iter::zip(0.., verdicts) {
            let mut made = commit_of(&autosave(), &Counts { window: window(n), ..Counts::default() });
            made.decision.verdict = verdict;
            commit(&store, made).await;
            let filter = Filter { verdict: Some(verdict), ..Filter::default() };
            let found = store.decisions(&filter, None, 9).await.unwrap();
            assert_eq!(found.iter().map(|it| it.verdict).collect::<Vec<_>>(), [verdict]);
        }
    })
    .await;
}

/// SLO-7: what is due stands in the store.
#[tokio::test]
async fn overdue_targets_come_longest_overdue_first() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        for (target, n) in [("late", 2), ("later", 1), ("fine", 7)] {
            let batch = Counts { window: window(n), ..Counts::default() }.batch();
            let watch = Watch::after_batch(None, &batch, Duration::from_secs(300));
            store.save_target(&GateState { watch, ..GateState::unheard(name(target)) }).await.unwrap();
        }
        store.save_target(&GateState::unheard(name("unwatched"))).await.unwrap();
        let due = async |now, limit| {
            let due = store.overdue(now, limit).await.unwrap();
            due.into_iter().map(|state| state.target.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(due(window(5).start, 10).await, ["later", "late"]);
        assert_eq!(due(window(5).start, 1).await, ["later"]);
        assert_eq!(due(window(2).end.plus(Duration::from_secs(300)), 10).await, ["later"]);
        assert_eq!(due(ten_o_clock(), 10).await, [""; 0]);
    })
    .await;
}

/// SLO-10: a decision's policy can be read again by its version.
#[tokio::test]
async fn policies_are_kept_by_their_version() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        assert_eq!(store.policy_text("sha256:p").await.unwrap(), None);
        for _ in 0..2 {
            store.keep_policy("sha256:p", "version: 1", ten_o_clock()).await.unwrap();
        }
        assert_eq!(store.policy_text("sha256:p").await.unwrap().as_deref(), Some("version: 1"));
        assert_eq!(outbox::stats(&db, ten_o_clock()).await.unwrap(), OutboxStats::default());
    })
    .await;
}

/// A decision stays as long as its batch does.
#[tokio::test]
async fn what_is_past_its_retention_goes_in_one_turn() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        for n in 0..4 {
            commit(&store, commit_of(&autosave(), &Counts { window: window(n), ..Counts::default() })).await;
        }
        let delay = commit(&store, delay_of(&autosave(), 0)).await;
        store.refuse(&Counts::default().batch(), "sha256:other", ten_o_clock()).await.unwrap();
        let left = async || {
            let batches = store.batches(&Filter::default(), None, 100).await.unwrap();
            let decisions = store.decisions(&Filter::default(), None, 100).await.unwrap();
            let beside =
                "SELECT (SELECT COUNT(*) FROM refused_batches) + (SELECT COUNT(*) FROM collector_events)";
            let (beside,): (i64,) = sqlx::query_as(beside).fetch_one(db.pool()).await.unwrap();
            (batches.len(), decisions.len(), beside)
        };
        assert_eq!(left().await, (4, 5, 2));
        // Windows that begin before the third are past a retention of an hour.
        let (hour, now) = (Some(Duration::from_secs(3600)), window(3).start.plus(Duration::from_secs(3600)));
        assert_eq!(forget(&db, KEEP, now).await, 0);
        assert_eq!(forget(&db, Retention { decisions: hour, ..KEEP }, now).await, 1);
        assert_eq!(left().await, (4, 4, 2), "only the decision without a batch");
        assert_eq!(store.decision(delay.decision_id).await.unwrap(), None);
        assert_eq!(forget(&db, Retention { batches: hour, decisions: hour, ..KEEP }, now).await, 3 + 3 + 2);
        assert_eq!(left().await, (1, 1, 0), "with what was heard and refused beside them");
        let newest = store.batches(&Filter::default(), None, 100).await.unwrap();
        assert_eq!(newest[0].batch.window, window(3));
    })
    .await;
}

/// A batch comes back as it was, byte for byte, until the policy lets its histograms go; the rest of it stays.
#[tokio::test]
async fn histograms_go_before_their_batches_only_where_the_policy_says_so() {
    on_each_engine(|db| async move {
        let store = Store::new(db.clone());
        let mut sent = Vec::new();
        for n in 0..4 {
            let counts = Counts { window: window(n), ..Counts::default() };
            sent.push(counts.batch());
            commit(&store, commit_of(&autosave(), &counts)).await;
        }
        let body = "SELECT COUNT(*) FROM batches WHERE histograms IS NOT NULL";
        let with = async || sqlx::query_as::<_, (i64,)>(body).fetch_one(db.pool()).await.unwrap().0;
        let batches = async || {
            let found = store.batches(&Filter::default(), None, 100).await.unwrap();
            found.into_iter().rev().map(|it| it.batch).collect::<Vec<_>>()
        };
        assert_eq!((with().await, batches().await), (4, sent.clone()));
        let (hour, now) = (Some(Duration::from_secs(3600)), window(3).start.plus(Duration::from_secs(3600)));
        assert_eq!(forget(&db, KEEP, now).await, 0);
        let keep = Retention { histograms: hour, ..KEEP };
        assert_eq!((forget(&db, keep, now).await, with().await), (3, 1));
        assert_eq!(forget(&db, keep, now).await, 0, "they are not found again");
        let (left, newest) = (batches().await, sent.pop());
        assert_eq!(left.last(), newest.as_ref());
        for (left, sent) in std::iter::zip(&left, &sent) {
            assert_eq!(left.let_go(), Some("autosave.save.completed"));
            assert_eq!((&left.counters, left.window), (&sent.counters, sent.window));
        }
    })
    .await;
}

/// SLO-10, PO-4: what a decision was made from is found again, in the order in which decisions were made.
#[tokio::test]
async fn recorded_decisions_are_paged_in_the_order_in_which_they_were_made() {
    on_each_engine(|db| async move {
        let store = Store::new(db);
        for n in [0, 2, 1, 3] {
            let drift = u64::from(n);
            commit(&store, commit_of(&autosave(), &Counts { window: window(n), drift, ..Counts::default() }))
                .await;
        }
        let delay = commit(&store, delay_of(&autosave(), 1)).await;
        commit(&store, commit_of(&name("other"), &Counts::default())).await;

        let span = store.span(&autosave(), window(1).start, window(3).start).await.unwrap().unwrap();
        assert_eq!((span.decisions, span.first, span.last), (3, 2, 5));
        assert_eq!(store.span(&autosave(), window(4).start, window(9).start).await.unwrap(), None);
        for whole in [false, true] {
            let (mut read, mut after) = (Vec::new(), RecordedKey::before(&span));
            loop {
                let page = store.recorded(&span, &after, whole, 2).await.unwrap();
                let Some(last) = page.last() else { break };
                after = RecordedKey::of(&last.decision);
                read.extend(page);
            }
            let windows: Vec<_> = read.iter().map(|it| (it.decision.window, it.decision.cause)).collect();
            let (slo, delayed) = (Cause::Slo, Cause::CollectionDelayed);
            // Window 3 is outside of the span, and was judged in between.
            let made = [(window(2), slo), (window(1), slo), (window(3), slo), (window(1), delayed)];
            assert_eq!(windows, made);
            for it in &read {
                assert_eq!(it.batch.is_some(), whole);
                let drift = it.counters.as_ref().unwrap()[DRIFT];
                assert_eq!(window(u32::try_from(drift).unwrap()), it.decision.window);
                assert!(it.arrived.is_some());
            }
        }

        let all = store.span(&autosave(), ten_o_clock(), window(9).end).await.unwrap().unwrap();
        let made = store.recorded(&all, &RecordedKey::before(&all), true, 9).await.unwrap();
        let second = &made[1].decision;
        assert_eq!(second.window, window(2));
        let known = store.known_to(second, ten_o_clock()).await.unwrap();
        assert_eq!(known.iter().map(|it| it.window).collect::<Vec<_>>(), [window(0)], "window 1 came later");
        let third = &made[2].decision;
        assert_eq!(store.previous(third).await.unwrap().as_ref(), Some(second));
        assert_eq!(store.previous(&made[0].decision).await.unwrap(), None);
        assert_eq!(
            store.batch_of(third.decision_id).await.unwrap().unwrap().batch,
            made[2].batch.clone().unwrap()
        );
        assert_eq!(store.batch_of(delay.decision_id).await.unwrap(), None);
        let event = store.event_of(delay.decision_id).await.unwrap().unwrap();
        assert_eq!(event.window, window(1));
        assert_eq!(store.event_of(third.decision_id).await.unwrap(), None);
    })
    .await;
}
