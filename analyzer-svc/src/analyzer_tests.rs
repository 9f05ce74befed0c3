//! The use cases on real stores: repeats, races, order, epochs.

use shared_types::Verdict;
use shared_types::collector_event::CollectorEventKind::{Delayed, RetryExhausted};
use shared_types::decision::{Cause, GateProgress};

use super::*;
use crate::store::Filter;
use crate::testing::{World, on_each_engine};
use domain::gate::EarlierBatch;
use domain::gate::fixture::{Counts, DRIFT, autosave, judge_batch, shipped_policy, whole_policy, window};

fn healthy(n: u32) -> Counts {
    Counts { window: window(n), ..Counts::default() }
}

fn gate(answer: &Answer) -> GateProgress {
    match answer {
        Answer::New(decision) | Answer::Repeat(decision) => decision.gate.clone().unwrap(),
    }
}

async fn verdicts(world: &World) -> Vec<(Cause, Verdict)> {
    let mut made: Vec<_> =
        world.decisions().await.iter().map(|made| (made.cause, made.verdict, made.window)).collect();
    made.sort_by_key(|(cause, _, window)| (*window, cause.as_str()));
    made.into_iter().map(|(cause, verdict, _)| (cause, verdict)).collect()
}

/// SLO-9: the same batch twice gives the same decision, and is sent once; another one under its key is refused.
#[tokio::test]
async fn repeated_batch_gets_its_decision_and_a_different_one_is_refused() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        let first = world.batch(&healthy(0)).await;
        assert!(matches!(first, Answer::New(_)));
        world.clock.advance(Duration::from_secs(3600));
        let Answer::Repeat(again) = world.send(&healthy(0)).await.unwrap() else { panic!() };
        assert_eq!(again, first.into_decision());

        let different = Counts { drift: 1, ..healthy(0) };
        for _ in 0..2 {
            let refused = world.send(&different).await.unwrap_err();
            assert!(matches!(refused, IntakeError::Different { .. }), "{refused}");
        }
        assert_eq!((world.decisions().await.len(), world.waiting().await), (1, 1));
    })
    .await;
}

/// SLO-9: senders that race with the same batch all get one decision.
#[tokio::test]
async fn racing_senders_get_one_decision() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        world.clock.set(window(0).end);
        let sends = (0..6).map(|_| async { world.send(&healthy(0)).await.unwrap() });
        let answers = futures_util::future::join_all(sends).await;
        let new = answers.iter().filter(|answer| matches!(answer, Answer::New(_))).count();
        assert_eq!(new, 1);
        let ids: std::collections::BTreeSet<_> =
            answers.into_iter().map(|answer| answer.into_decision().decision_id).collect();
        assert_eq!((ids.len(), world.waiting().await), (1, 1));
    })
    .await;
}

/// PH-2, PH-7: each decision carries how far the gate is; the eighth compliant batch satisfies phase A.
#[tokio::test]
async fn decisions_carry_the_progress_of_the_gate() {
    let world = World::in_memory().await;
    for n in 0..7 {
        assert!(!gate(&world.batch(&healthy(n)).await).satisfied);
    }
    let eighth = gate(&world.batch(&healthy(7)).await);
    assert!(eighth.satisfied);
    let broken = gate(&world.batch(&Counts { drift: 1, ..healthy(8) }).await);
    assert_eq!((broken.satisfied, broken.compliant_batches), (false, 0));
    assert_eq!(broken.broken_by.unwrap().metric.as_deref(), Some("history_drift"));
}

/// SLO-5: a drift is in the mean of the hour, as the store has it.
#[tokio::test]
async fn drift_stays_in_the_mean_for_an_hour() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        world.batch(&Counts { drift: 1, ..healthy(0) }).await;
        for n in 1..6 {
            world.batch(&healthy(n)).await;
        }
        let made = world.decisions().await;
        let drift: Vec<f64> = made.iter().map(|made| made.metrics[2].observed.unwrap()).collect();
        assert_eq!(drift, [1.0, 0.5, 1.0 / 3.0, 0.25, 0.0, 0.0]);
        let evidence = made[3].evidence.clone().unwrap();
        let history: Vec<f64> = evidence.history.iter().map(|value| value.value).collect();
        assert_eq!((history, evidence.samples), (vec![1.0, 0.0, 0.0], 1000));
        assert_eq!(made[3].policy_version, world.analyzer.policy().version);
    })
    .await;
}

/// SLO-10: from what is stored beside a decision it comes out the same again.
#[tokio::test]
async fn decision_can_be_recomputed_from_what_is_stored() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        world.store.keep_policy("sha256:kept", &whole_policy().text, world.analyzer.now()).await.unwrap();
        for n in 0..4 {
            world.batch(&Counts { drift: u64::from(n % 2), errors: 9, ..healthy(n) }).await;
        }
        let decision = world.decisions().await.remove(3);
        let stored = world.store.batches(&Filter::default(), None, 1).await.unwrap().remove(0);
        let evidence = decision.evidence.clone().unwrap();
        assert_eq!(evidence.batch_hash.as_deref(), Some(batch_hash(&stored.batch).as_str()));
        let text = world.store.policy_text("sha256:kept").await.unwrap().unwrap();
        let policy = Policy::parse(&text, "kept").unwrap();
        assert_eq!(policy.version, decision.policy_version);

        let policy = &policy.targets[&decision.target];
        let values = evidence.history.iter().map(|value| EarlierBatch {
            epoch: decision.epoch,
            window: value.window,
            counters: [(DRIFT.to_owned(), u64::from(value.value > 0.0))].into(),
        });
        let batch = CheckedBatch::check(stored.batch, policy).unwrap();
        let again = judge_batch(&batch, &values.collect::<Vec<_>>(), policy, &policy.phases[0]);
        assert_eq!((again.metrics, again.violated), (decision.metrics, decision.violated));
    })
    .await;
}

/// PH-8: a batch of an old epoch is judged and kept, but touches neither the newer run nor the watch.
#[tokio::test]
async fn old_epoch_touches_nothing_of_the_new_one() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        world.batch(&healthy(0)).await;
        let fresh = gate(&world.batch(&Counts { phase: "B", epoch: 2, ..healthy(2) }).await);
        assert_eq!((fresh.epoch, fresh.compliant_batches), (2, 1));
        let before = world.state().await;

        let old = world.send(&Counts { drift: 1, ..healthy(1) }).await.unwrap().into_decision();
        assert_eq!((old.verdict, old.gate), (Verdict::Violation, None));
        let after = world.state().await;
        assert_eq!((after.run, after.watch), (before.run, before.watch));
    })
    .await;
}

/// SLO-8: the collector's alarms are decisions, each once.
#[tokio::test]
async fn alarms_of_the_collector_are_decisions() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        world.batch(&healthy(0)).await;
        world.clock.set(window(1).end.plus(Duration::from_secs(300)));
        let Answer::New(delayed) = world.event(Delayed, window(1)).await.unwrap() else { panic!() };
        assert_eq!((delayed.verdict, delayed.rollback_required), (Verdict::Violation, true));
        assert_eq!(delayed.metrics[3].observed, Some(300.0));
        assert_eq!(delayed.gate.as_ref().unwrap().broken_by.as_ref().unwrap().window, window(1));

        let Answer::New(exhausted) = world.event(RetryExhausted, window(1)).await.unwrap() else { panic!() };
        assert_eq!((exhausted.cause, exhausted.verdict), (Cause::RetryExhausted, Verdict::Violation));
        for (kind, decision) in [(Delayed, &delayed), (RetryExhausted, &exhausted)] {
            let repeat = world.event(kind, window(1)).await.unwrap();
            assert_eq!(repeat, Answer::Repeat(decision.clone()));
        }
        assert_eq!((world.decisions().await.len(), world.waiting().await), (3, 3));
    })
    .await;
}

/// SLO-8: an alarm about a batch that was here in time is answered by the batch.
#[tokio::test]
async fn delay_of_a_batch_that_was_here_in_time_is_contradicted() {
    let world = World::in_memory().await;
    let decision = world.batch(&healthy(0)).await.into_decision();
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.event(Delayed, window(0)).await.unwrap(), Answer::Repeat(decision));
    assert_eq!(verdicts(&world).await, [(Cause::Slo, Verdict::Ok)]);
}

/// SLO-7: the collector's alarm, the analyzer's own watch and the late batch may come in any order: each window
/// is decided on once a cause, and the run is broken once.
#[tokio::test]
async fn late_batch_alarm_and_watch_may_come_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        on_each_engine(|db| async move {
            let world = World::new(db);
            world.batch(&healthy(0)).await;
            let watch = world.watch();
            world.clock.set(window(1).end.plus(Duration::from_secs(301)));
            for step in order {
                match step {
                    0 => drop(world.event(Delayed, window(1)).await.unwrap()),
                    1 => drop(watch.tick().await.unwrap()),
                    _ => drop(world.send(&healthy(1)).await.unwrap()),
                }
            }
            // The watch finds nothing where the batch came first, but then the collector's alarm says it.
            let expected = [
                (Cause::Slo, Verdict::Ok),
                (Cause::CollectionDelayed, Verdict::Violation),
                (Cause::Slo, Verdict::Ok),
            ];
            assert_eq!(verdicts(&world).await, expected, "{order:?}");
            let next = gate(&world.batch(&healthy(2)).await);
            assert_eq!(next.compliant_batches, 1, "{order:?}");
            assert_eq!(next.broken_by.unwrap().window, window(1), "{order:?}");
            assert_eq!(world.state().await.watch.unwrap().window, window(3), "{order:?}");
            assert_eq!(world.waiting().await, 4);
        })
        .await;
    }
}

/// What contradicts the policy or the clock is refused, and nothing is kept of it.
#[tokio::test]
async fn senseless_batches_and_alarms_are_refused() {
    let world = World::in_memory().await;
    world.clock.set(window(0).end);
    let refused = |batch: Batch| {
        let analyzer = world.analyzer.clone();
        async move { analyzer.accept_batch(batch).await.unwrap_err().to_string() }
    };
    let mut stranger = healthy(0).batch();
    stranger.target = TargetName::parse("merge").unwrap();
    assert_eq!(refused(stranger).await, "target: the policy has no target `merge`");
    let early = refused(healthy(1).batch()).await;
    assert_eq!(early, "window: 2026-11-22T10:15Z/10:30Z ends in the future");
    let off = Batch { phase: PhaseId::off(), ..healthy(0).batch() };
    assert_eq!(refused(off).await, "phase: the policy has no gated phase `off`");
    assert!(matches!(world.event(Delayed, window(1)).await, Err(IntakeError::Future(_))));
    assert_eq!((world.decisions().await.len(), world.state().await.version), (0, 0));
}

/// A list's filter finds what was decided.
#[tokio::test]
async fn history_can_be_asked_for_violations() {
    let world = World::in_memory().await;
    for n in 0..3 {
        world.batch(&Counts { drift: u64::from(n == 1), ..healthy(n) }).await;
    }
    let filter = Filter { verdict: Some(Verdict::Violation), target: Some(autosave()), ..Filter::default() };
    let violations = world.store.decisions(&filter, None, 10).await.unwrap();
    let windows: Vec<_> = violations.iter().map(|decision| decision.window).collect();
    assert_eq!(windows, [window(2), window(1)]);
}

/// PO-2: what another version did not have counted is not known; of a mistake nobody speaks, nor of a violation.
#[tokio::test]
async fn a_batch_counted_by_another_version_lacks_evidence_only() {
    let world = World::in_memory().await;
    let mut batch = healthy(0).batch();
    batch.counters.remove(domain::gate::fixture::ERROR);
    world.clock.set(window(0).end);
    let refused = world.analyzer.accept_batch(batch.clone()).await.unwrap_err();
    assert!(refused.to_string().starts_with("counters.autosave.save.error"), "{refused}");
    batch.policy_version = Some("sha256:another".to_owned());
    let decision = world.analyzer.accept_batch(batch).await.unwrap().into_decision();
    let of = |name: &str| decision.metrics.iter().find(|metric| metric.metric == name).unwrap().verdict;
    assert_eq!(of("error_rate"), Verdict::Insufficient);
    assert_eq!((of("save_latency_p95"), decision.verdict), (Verdict::Ok, Verdict::Insufficient));
    assert_eq!((of("history_drift"), decision.rollback_required), (Verdict::Ok, false));
    assert_eq!(decision.policy_version, world.analyzer.policy().version);
}

/// PO-2: a collector that is ahead is asked to come again; one that is merely wrong is told so.
#[tokio::test]
async fn targets_and_phases_of_a_version_not_seen_here_yet_are_not_wrong() {
    let world = World::in_memory().await;
    world.clock.set(window(0).end);
    let mut batch = Batch { phase: PhaseId::parse("D").unwrap(), ..healthy(0).batch() };
    batch.policy_version = Some("newer".to_owned());
    let none = world.analyzer.accept_batch(batch.clone()).await.unwrap_err();
    assert!(matches!(none, IntakeError::Batch(BatchError::Phase(_))), "no policy has such a version: {none}");
    let newer = Policy::version_of(b"newer");
    batch.policy_version = Some(newer.clone());
    let early = world.analyzer.accept_batch(batch.clone()).await.unwrap_err();
    assert!(matches!(early, IntakeError::TooEarly(_)), "{early}");
    world.store.keep_policy(&newer, &whole_policy().text, world.analyzer.now()).await.unwrap();
    let wrong = world.analyzer.accept_batch(batch).await.unwrap_err();
    assert!(matches!(wrong, IntakeError::Batch(BatchError::Phase(_))), "{wrong}");
}

/// JU-3, JU-12, OP-6: evidence grows from window to window through the store, also while it has to be written in the form of the
/// release before; and each decision comes out the same again.
#[tokio::test]
async fn evidence_grows_through_the_store() {
    on_each_engine(|db| async move {
        let world = World::judging_by(db, shipped_policy());
        let policy = shipped_policy();
        let mut verdicts = vec![];
        for n in 0..7 {
            let counts = Counts { window: window(n), completed: 97, errors: 3, ..Counts::default() };
            let decision = world.batch(&counts).await.into_decision();
            let again = domain::gate::recompute::decide_again(&decision, Some(&counts.batch()), &[], &policy);
            let again = again.unwrap();
            assert_eq!((again.metrics, again.gate), (decision.metrics, decision.gate));
            verdicts.push(decision.verdict);
        }
        let doubt = [Verdict::Unsure; 6];
        assert_eq!(verdicts, [&doubt[..], &[Verdict::Violation]].concat());
    })
    .await;
}
