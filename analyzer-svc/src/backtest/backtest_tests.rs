//! Backtests over a store, on both engines, and of an archive.

use super::replay_tests::{changed, eventful, in_memory};
use super::*;
use crate::testing::{World, recorded};
use domain::gate::fixture::{Counts, autosave, ten_o_clock, whole_policy, window};
use domain::whatif::archive::Archive;
use domain::whatif::compare::Unknown;
use shared_types::decision::Cause;

const LIMITS: Limits = Limits { changes: 100, strip: 1_000 };

async fn asked(world: &World, policy: Option<Policy>, whole: bool, from: u32) -> Backtest {
    let question = Question {
        kinds: Arc::new(Kinds::shipped()),
        target: autosave(),
        from: window(from).start,
        to: window(500).end,
        policy: policy.map(Arc::new),
        whole,
        limits: LIMITS,
    };
    backtest(&world.store, question, &CancellationToken::new()).await.unwrap()
}

/// PO-4: the policy that was in force changes nothing, to the last bit; read from any moment on, and either way.
#[tokio::test]
async fn the_policy_in_force_changes_nothing() {
    crate::testing::on_each_engine(|db| async move {
        let world = eventful(db, 11, 90).await;
        let all = recorded(&world).await.len() as u64;
        for (policy, whole) in
            [(None, false), (None, true), (Some(whole_policy()), false), (Some(whole_policy()), true)]
        {
            for from in [0, 37] {
                let found = asked(&world, policy.clone(), whole, from).await;
                assert!(!found.differs, "whole {whole}, from {from}: {found:?}");
                // Windows that nobody missed in time are not thereby the same.
                let reasons: Vec<Unknown> = found.not_replayed.iter().map(|it| it.reason).collect();
                assert_eq!((reasons.as_slice(), found.same), (&[Unknown::MissingWindows][..], false));
                assert_eq!(found.identical, found.decisions, "whole {whole}, from {from}");
                assert!(from > 0 || found.decisions == all);
                assert_eq!(found.compared_with, [whole_policy().version]);
            }
        }
    })
    .await;
}

/// A caller that is gone, or a stop: what a thread has still to judge is left, and nothing more is read.
#[tokio::test]
async fn what_is_given_up_is_not_judged_to_its_end() {
    let world = eventful(in_memory().await, 11, 90).await;
    let page = recorded(&world).await;
    let question = || Question {
        kinds: Arc::new(Kinds::shipped()),
        target: autosave(),
        from: window(0).start,
        to: window(500).end,
        policy: Some(Arc::new(whole_policy())),
        whole: false,
        limits: LIMITS,
    };
    let judged = |given_up: &CancellationToken| {
        let work = Work {
            question: question(),
            policies: Policies::new(),
            replay: Replay::new(autosave(), std::time::Duration::ZERO),
            comparison: Comparison::new(LIMITS),
            begun: false,
        };
        let about = About { target: autosave(), from: window(0).start, to: window(500).end };
        judge(work, &page, given_up).comparison.finish(None, about).decisions
    };
    let given_up = CancellationToken::new();
    assert!(judged(&given_up) > 0);
    given_up.cancel();
    assert_eq!(judged(&given_up), 0);
    let answer = backtest(&world.store, question(), &given_up).await;
    assert!(matches!(answer, Err(BacktestError::GivenUp)), "{answer:?}");
}

/// PO-4: another threshold changes what it should, and nothing in the past.
#[tokio::test]
async fn another_policy_is_compared_and_nothing_is_stored() {
    let world = eventful(in_memory().await, 11, 90).await;
    let (before, waiting) = (recorded(&world).await, world.waiting().await);
    let stricter = changed(|text| text.replace("save_latency_p95: 2.5s", "save_latency_p95: 0.5s"));
    let [quick, whole] = [
        asked(&world, Some(stricter.clone()), false, 0).await,
        asked(&world, Some(stricter.clone()), true, 0).await,
    ];
    assert_eq!(quick, whole);
    assert!(!quick.same && quick.changes.total > 0 && quick.identical == 0, "{quick:?}");
    assert!(quick.verdicts.new.violation > quick.verdicts.old.violation);
    assert!(quick.changes.items.iter().all(|it| it.phase.as_str() == "A"), "only the phase that was changed");
    assert_eq!(quick.policy, Some(stricter.version));
    // Another definition of a metric asks for the batches by itself.
    let median = changed(|text| text.replace("quantile: 0.95", "quantile: 0.5"));
    let found = asked(&world, Some(median), false, 0).await;
    assert_eq!(found.unjudged.total, 0, "{found:?}");
    assert_eq!((recorded(&world).await, world.waiting().await), (before, waiting));
}

/// PO-4: what can't be judged anew without the histograms that the policy let go is said, and all else is judged.
#[tokio::test]
async fn windows_whose_histograms_were_let_go_are_judged_by_what_was_observed() {
    let world = eventful(in_memory().await, 11, 90).await;
    sqlx::query("UPDATE batches SET histograms = NULL WHERE window_start_ms < $1")
        .bind(window(40).start.as_millis())
        .execute(world.db.pool())
        .await
        .unwrap();
    // An alarm of such a window was made from no batch.
    let made_without = |it: &Recorded| {
        it.decision.cause == Cause::Slo && it.batch.as_ref().is_some_and(|it| it.let_go().is_some())
    };
    let let_go = recorded(&world).await.iter().filter(|it| made_without(it)).count() as u64;
    assert!(let_go > 20, "{let_go}");
    let same = asked(&world, None, false, 0).await;
    assert_eq!((same.differs, same.unjudged.total), (false, 0), "{same:?}");
    let median = changed(|text| text.replace("quantile: 0.95", "quantile: 0.5"));
    for found in [asked(&world, None, true, 0).await, asked(&world, Some(median), false, 0).await] {
        assert_eq!(found.unjudged.total, let_go, "{found:?}");
        let why = &found.unjudged.items[0].why;
        assert!(why.contains("is no longer kept (retention.histograms)"), "{why}");
    }
}

/// PO-4: windows of another length cannot be cut out of those that were recorded, and those that came agree with nothing.
#[tokio::test]
async fn windows_of_another_length_are_no_agreement() {
    let world = World::in_memory().await;
    let kept = whole_policy();
    world.store.keep_policy(&kept.version, &kept.text, ten_o_clock()).await.unwrap();
    for n in 0..4 {
        let counts = Counts { window: window(n), phase: "A", epoch: 1, ..Counts::default() };
        world.clock.set(counts.window.end.plus(std::time::Duration::from_secs(31)));
        world.send(&counts).await.unwrap();
    }
    assert!(asked(&world, Some(whole_policy()), false, 0).await.same, "all of it is there");
    let shorter = changed(|text| text.replace("window: 15m", "window: 10m"));
    let found = asked(&world, Some(shorter), false, 0).await;
    assert_eq!((found.same, found.differs, found.identical), (false, false, 0));
    let [told] = found.not_replayed.as_slice() else { panic!("{found:?}") };
    assert_eq!((told.reason, told.windows), (Unknown::WindowLength, 4));
    assert_eq!(told.detail, "made in windows of 15m, the policy asks for 10m");
    assert_eq!(told.first, Some(window(0)));
    // A watch of another cadence would have been other windows only in a watch.
    let watch = changed(|text| text.replace("cadence: 5m", "cadence: 3m"));
    assert!(asked(&world, Some(watch), false, 0).await.same);
}

/// PO-4: what is kept of a window may lack what the new policy counts; that is said by metric, and is no agreement.
#[tokio::test]
async fn a_metric_that_was_not_counted_is_no_agreement() {
    let world = eventful(in_memory().await, 11, 20).await;
    let other = changed(|text| text.replace("autosave.history.drift", "autosave.history.skew"));
    let found = asked(&world, Some(other), false, 0).await;
    assert!(!found.same && found.unjudged.total > 0, "{found:?}");
    let told = found.not_replayed.iter().find(|it| it.reason == Unknown::NotJudged).unwrap();
    assert_eq!(told.windows, found.unjudged.total);
    assert!(told.detail.contains("autosave.history.skew"), "{told:?}");
}

/// JU-13: a gate by evidence is held against one by single windows like any other change of policy, either way round.
#[tokio::test]
async fn another_judge_is_a_change_like_any_other() {
    let world = eventful(in_memory().await, 11, 90).await;
    let evidence = changed(|text| text.replace("judge: window", "judge: evidence"));
    let [quick, whole] = [
        asked(&world, Some(evidence.clone()), false, 0).await,
        asked(&world, Some(evidence.clone()), true, 0).await,
    ];
    assert_eq!(quick, whole);
    assert!(quick.differs && quick.changes.total > 0, "{quick:?}");
    assert!(quick.verdicts.old.unsure == 0 && quick.verdicts.new.unsure > 0, "{:?}", quick.verdicts);
    assert!(quick.verdicts.new.violation < quick.verdicts.old.violation, "{:?}", quick.verdicts);
    assert!(quick.rollbacks.lost + quick.rollbacks.moved > 0, "{:?}", quick.rollbacks);
    let metrics: Vec<&str> = quick.spreads.iter().map(|it| it.metric.as_str()).collect();
    assert_eq!(metrics, ["error_rate", "save_latency_p95"], "those with attempts");

    let mut batches: Vec<_> = recorded(&world).await.into_iter().filter_map(|it| it.batch).collect();
    batches.sort_by_key(|batch| batch.window);
    batches.dedup_by_key(|batch| batch.window);
    let run = |old: &Policy, new: &Policy| {
        let mut archive =
            Archive::new(autosave(), Arc::new(old.clone()), Arc::new(new.clone()), LIMITS).unwrap();
        for batch in &batches {
            archive.add(batch, batch.collected_at);
        }
        archive.finish().unwrap()
    };
    let (there, back) = (run(&whole_policy(), &evidence), run(&evidence, &whole_policy()));
    assert!(there.differs && there.changes.total == back.changes.total);
    assert_eq!((there.verdicts.old, there.verdicts.new), (back.verdicts.new, back.verdicts.old));
    assert!(!run(&evidence, &evidence).differs);
}

/// An epoch's time without any decisions, and a target that the policy does not know.
#[tokio::test]
async fn nothing_to_look_at_is_no_error_and_an_unknown_target_is_one() {
    let world = World::in_memory().await;
    let found = asked(&world, Some(whole_policy()), false, 0).await;
    assert!(!found.same && !found.differs && found.decisions == 0, "nothing agrees with nothing");
    assert_eq!(found.not_replayed[0].reason, Unknown::NoHistory);
    let unknown = Question {
        kinds: Arc::new(Kinds::shipped()),
        target: TargetName::parse("nobody").unwrap(),
        from: ten_o_clock(),
        to: window(1).end,
        policy: Some(Arc::new(whole_policy())),
        whole: false,
        limits: LIMITS,
    };
    let error = backtest(&world.store, unknown, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, BacktestError::UnknownTarget(_)), "{error}");
}

/// PO-4: archived batches under two policies; the same twice changes nothing.
#[tokio::test]
async fn archived_batches_are_compared_under_two_policies() {
    let world = eventful(in_memory().await, 5, 90).await;
    let mut batches: Vec<_> = recorded(&world).await.into_iter().filter_map(|it| it.batch).collect();
    batches.sort_by_key(|batch| batch.window);
    batches.dedup_by_key(|batch| batch.window);
    let run = |new: Policy| {
        let (old, new) = (Arc::new(whole_policy()), Arc::new(new));
        let mut archive = Archive::new(autosave(), old, new, LIMITS).unwrap();
        for batch in &batches {
            archive.add(batch, batch.collected_at);
        }
        archive.finish().unwrap()
    };
    let same = run(whole_policy());
    assert!(!same.differs && same.identical == same.decisions, "{same:?}");
    // Whether windows never came or their lines are lost no archive says.
    let missing: Vec<Unknown> = same.not_replayed.iter().map(|it| it.reason).collect();
    assert_eq!((missing.as_slice(), same.same), (&[Unknown::MissingWindows][..], false));
    let longer = run(changed(|text| text.replace("window: 15m", "window: 30m")));
    assert!(longer.not_replayed.iter().any(|it| it.reason == Unknown::WindowLength), "{longer:?}");
    assert!(same.decisions > batches.len() as u64, "holes raise alarms");
    let stricter = run(changed(|text| text.replace("save_latency_p95: 2.5s", "save_latency_p95: 0.5s")));
    assert!(stricter.changes.total > 0 && stricter.verdicts.new.violation > same.verdicts.new.violation);
    let impatient = run(changed(|text| text.replace("delayed_after: 5m", "delayed_after: 31s")));
    assert!(impatient.decisions > same.decisions, "a batch of 31.25 s is given up on");
    assert!(
        Archive::new(
            TargetName::parse("nobody").unwrap(),
            Arc::new(whole_policy()),
            Arc::new(whole_policy()),
            LIMITS
        )
        .is_none()
    );
}

/// PO-4: a year of one target's windows, with distributions of 2,000 buckets each. Measured by hand:
/// `cargo test --release -p analyzer-svc --lib a_year_of_history -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a year first, and what it measures belongs to the machine"]
async fn a_year_of_history_is_tried_in_seconds() {
    const YEAR: u32 = 35_040;
    let world = World::new(in_memory().await);
    a_year(&world, YEAR).await;
    let stricter = changed(|text| text.replace("save_latency_p95: 2.5s", "save_latency_p95: 2.4s"));
    for whole in [false, true] {
        let started = std::time::Instant::now();
        let question = Question {
            kinds: Arc::new(Kinds::shipped()),
            target: autosave(),
            from: ten_o_clock(),
            to: window(YEAR).start,
            policy: Some(Arc::new(stricter.clone())),
            whole,
            limits: LIMITS,
        };
        let found = backtest(&world.store, question, &CancellationToken::new()).await.unwrap();
        let took = started.elapsed();
        println!("{} decisions, whole {whole}: {took:?}", found.decisions);
        assert_eq!(found.decisions, u64::from(YEAR));
        assert_eq!(found.unjudged.total, 0);
    }
}

async fn a_year(world: &World, windows: u32) {
    use crate::store::{Commit, Committed};
    use domain::gate::GateState;
    use domain::gate::fixture::{COMPLETED, Counts};
    use domain::gate::ledger::{self, Judged, Rules};
    use domain::gate::{CheckedBatch, Subject, batch_hash, observe_batch};

    let kept = whole_policy();
    world.store.keep_policy(&kept.version, &kept.text, ten_o_clock()).await.unwrap();
    let rules = &kept.targets[&autosave()];
    let rules = Rules { version: &kept.version, policy: rules, phase: &rules.phases[0] };
    let mut histogram = shared_types::Histogram::default();
    (0..2_000).for_each(|n| histogram.record(100.0 * 1.001_f64.powi(n)));
    let mut state = GateState::unheard(autosave());
    for n in 0..windows {
        let mut batch = Counts { window: window(n), completed: 2_000, ..Counts::default() }.batch();
        let saves = batch.distributions.get_mut(COMPLETED).unwrap();
        let quantile = |q| histogram.quantile(q).unwrap();
        (saves.p50, saves.p95, saves.p99) = (quantile(0.5), quantile(0.95), quantile(0.99));
        (saves.max, saves.histogram) = (histogram.max().unwrap(), histogram.encode());
        let checked = CheckedBatch::check(batch.clone(), rules.policy).unwrap();
        let (hash, now) = (batch_hash(&batch), batch.collected_at);
        let judged = Judged {
            subject: Subject::of(&batch),
            observed: observe_batch(&checked, &[], rules.policy, rules.phase),
            batch_hash: Some(hash.clone()),
            elapsed_ms: None,
            sequence: u64::from(n) + 1,
            at: now,
        };
        let decision = ledger::decide(&mut state, rules, judged);
        let message = crate::effects::DeliverDecision::message(&decision, now);
        let batch = Some((batch, hash));
        let commit = Commit { state: state.clone(), decision, batch, event: None, message, now };
        assert_eq!(world.store.commit(&commit).await.unwrap(), Committed::Done);
        state.version += 1;
    }
}
