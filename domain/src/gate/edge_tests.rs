//! Edges of the gate that a mutation run has found unguarded (docs/contributing/mutation.md).

use std::time::Duration;

use shared_types::decision::{Cause, ViolationAction};
use shared_types::{Batch, Decision, PhaseId, TargetName, Timestamp, Verdict, Window};

use super::fixture::{COMPLETED, Counts, DRIFT, ERROR, WINDOW, autosave, judge_batch, policy, window};
use super::ledger::{self, Judged, Rules};
use super::recompute::{RecomputeError, differences, history_before};
use super::threshold::ratio;
use super::watch::Watch;
use super::{
    BatchError, CheckedBatch, EarlierBatch, GateState, Run, Subject, batch_hash, decision_id, judge,
    longest_look_back, observe_batch, observe_recorded, same_observations,
};
use crate::policy::{DisplayUnit, TargetPolicy};

/// CO-4, PH-7: a batch is in time until the moment at which it counts as missing, and not a millisecond longer.
#[test]
fn a_batch_is_in_time_until_it_counts_as_missing() {
    let delayed_after = Duration::from_secs(300);
    let due = window(0).end.plus(delayed_after);
    let millisecond = Duration::from_millis(1);
    for (received, expected) in
        [(window(0).end, true), (due.minus(millisecond), true), (due, true), (due.plus(millisecond), false)]
    {
        assert_eq!(ledger::in_time(window(0), received, delayed_after), expected, "{received}");
    }
}

/// The decision on the healthy `n`th window of an epoch, made when its batch comes.
fn decide(state: &mut GateState, epoch: u64, n: u32, at: Timestamp) -> Decision {
    let policy = policy();
    let counts = Counts { epoch, window: window(n), ..Counts::default() };
    let batch = counts.checked();
    let phase = batch.phase_policy(&policy).unwrap();
    let judged = Judged {
        subject: Subject::of(batch.batch()),
        observed: observe_batch(&batch, &[], &policy, phase),
        batch_hash: Some(batch_hash(batch.batch())),
        elapsed_ms: None,
        sequence: u64::from(n),
        at,
    };
    ledger::decide(state, Rules { version: "sha256:0", policy: &policy, phase }, judged)
}

/// SLO-10, PH-8: a decision names the run that it goes on from, of its own epoch alone.
#[test]
fn a_decision_names_the_run_it_goes_on_from() {
    let mut state = GateState::unheard(autosave());
    for (epoch, n, before) in [(1, 0, None), (1, 1, Some(1)), (1, 2, Some(2)), (2, 3, None), (2, 4, Some(1))]
    {
        let decision = decide(&mut state, epoch, n, window(n).end);
        assert_eq!(decision.cause, Cause::Slo);
        let run = decision.evidence.unwrap().run;
        assert_eq!(run.map(|it| it.compliant_batches), before, "window {n} of epoch {epoch}");
    }
}

/// PH-7, CO-4: a healthy batch that came after it was given up breaks the run of the phase.
#[test]
fn a_healthy_batch_that_comes_too_late_breaks_the_run() {
    let delayed_after = policy().collection.delayed_after;
    for (late, compliant) in [(Duration::ZERO, 2), (Duration::from_millis(1), 0)] {
        let mut state = GateState::unheard(autosave());
        decide(&mut state, 1, 0, window(0).end);
        let decision = decide(&mut state, 1, 1, window(1).end.plus(delayed_after + late));
        assert_eq!(decision.gate.unwrap().compliant_batches, compliant, "{late:?} late");
    }
}

/// SLO-6, PO-2: a metric whose event nobody counted has no value, whatever the other counters say.
#[test]
fn a_metric_is_not_made_from_what_was_not_counted() {
    let policy = policy();
    let mut batch = Counts::default().batch();
    batch.counters.remove(ERROR);
    let batch = CheckedBatch::check_whoever_counted(batch, &policy).unwrap();
    let judgement = judge_batch(&batch, &[], &policy, batch.phase_policy(&policy).unwrap());
    let rate = judgement.metrics.iter().find(|it| it.metric == "error_rate").unwrap();
    assert_eq!((rate.observed, rate.verdict), (None, Verdict::Insufficient));
}

/// SLO-5: judging looks back as far as the mean that looks furthest, and asks for the events that its metrics count.
#[test]
fn a_policy_looks_back_as_far_as_its_furthest_mean() {
    let policy = policy();
    assert_eq!(longest_look_back(&policy), Duration::from_secs(3600));
    let needs = |name: &str| {
        let metric = policy.metrics.iter().find(|it| it.name == name).unwrap();
        metric.kind.needs().into_iter().map(|event| event.name).collect::<Vec<_>>()
    };
    assert_eq!(needs("history_drift"), [DRIFT]);
    assert_eq!(needs("save_latency_p95"), [COMPLETED]);
    assert_eq!(needs("collector_latency"), [""; 0]);
}

/// PO-4: of a window that is judged again, what was counted is counted again, and the rest is taken from its decision.
#[test]
fn a_window_is_judged_again_by_its_counts_and_its_decision() {
    let policy = policy();
    let mut state = GateState::unheard(autosave());
    let mut decision = decide(&mut state, 1, 0, window(0).end);
    for metric in &mut decision.metrics {
        metric.observed = Some(0.125);
    }
    let batch = EarlierBatch::of(&Counts { errors: 1000, ..Counts::default() }.batch());
    let observed = observe_recorded(&batch, &decision, &[], &policy, &policy.phases[0]);
    let judgement = judge(&observed, batch.window, None, &policy, &policy.phases[0]);
    let observed: Vec<_> = judgement.metrics.iter().map(|it| (it.metric.as_str(), it.observed)).collect();
    let expected = [
        ("save_latency_p95", Some(0.125)),
        ("error_rate", Some(50.0)),
        ("history_drift", Some(0.0)),
        ("collector_latency", Some(0.125)),
    ];
    assert_eq!(observed, expected);
}

/// PO-4: values are taken over from a decision only where the other policy makes them in the same way.
#[test]
fn policies_have_the_same_metrics_whatever_they_hold_against_them() {
    fn check(what: &str, same: bool, change: fn(&mut TargetPolicy)) {
        let mut other = policy();
        change(&mut other);
        assert_eq!(same_observations(&policy(), &other), same, "{what}");
        assert_eq!(same_observations(&other, &policy()), same, "{what}");
    }
    check("nothing", true, |_| {});
    check("a limit", true, |it| it.phases[0].thresholds.values_mut().for_each(|limit| *limit *= 2.0));
    check("the answer to a violation", true, |it| {
        it.metrics[0].on_violation = ViolationAction::Hold;
    });
    check("a name", false, |it| it.metrics[0].name.push('x'));
    check("a kind", false, |it| it.metrics[0].kind = it.metrics[1].kind.clone());
    check("a unit", false, |it| it.metrics[0].display = DisplayUnit::Milliseconds);
    check("one less", false, |it| drop(it.metrics.pop()));
}

/// SLO-7, PH-8: after a batch that its collector itself calls late the next window is expected; what is looked at already
/// further ahead stays.
#[test]
fn after_a_delay_the_next_window_is_expected_and_none_before() {
    let delayed_after = Duration::from_secs(300);
    let late = |epoch, n| Subject { epoch, ..subject(n) };
    let after = |current, late: &Subject| Watch::after_delay(current, late, delayed_after);
    let watch = after(None, &late(2, 3)).unwrap();
    assert_eq!((watch.epoch, watch.window), (2, window(4)));
    assert_eq!(watch.deadline, window(4).end.plus(delayed_after));
    for (epoch, n, moves) in
        [(2, 2, false), (2, 3, false), (2, 4, true), (1, 3, false), (1, 9, false), (3, 0, true)]
    {
        let moved = after(Some(&watch), &late(epoch, n)).map(|it| (it.epoch, it.window));
        assert_eq!(moved, moves.then(|| (epoch, window(n + 1))), "window {n} of epoch {epoch}");
    }
}

fn subject(n: u32) -> Subject {
    Subject::of(&Counts { window: window(n), ..Counts::default() }.batch())
}

/// OP-4: a window lasts some time, and no longer than a policy's may: a day.
#[test]
fn a_window_lasts_a_day_at_most() {
    let day = Duration::from_hours(24);
    let millisecond = Duration::from_millis(1);
    for (length, allowed) in
        [(Duration::ZERO, false), (millisecond, true), (day, true), (day + millisecond, false)]
    {
        let of_that_length = Window { start: window(0).start, end: window(0).start.plus(length) };
        assert_eq!(CheckedBatch::check_window("window", of_that_length).is_ok(), allowed, "{length:?}");
    }
}

/// SLO-7: a window that is announced for later than a day would keep the watch silent until then.
#[test]
fn the_next_window_begins_within_a_day() {
    let day = Duration::from_hours(24);
    for (gap, allowed) in [(Duration::ZERO, true), (day, true), (day + Duration::from_millis(1), false)] {
        let mut batch = Counts::default().batch();
        let start = batch.window.end.plus(gap);
        batch.next_window = Some(Window { start, end: start.plus(WINDOW) });
        assert_eq!(CheckedBatch::check(batch, &policy()).is_ok(), allowed, "{gap:?}");
    }
}

/// TE-2: a duration may be nothing, and not less.
#[test]
fn durations_are_zero_or_more() {
    fn check(save_ms: f64, stated: f64, allowed: bool) {
        let mut batch = Counts { save_ms, ..Counts::default() }.batch();
        batch.distributions.get_mut(COMPLETED).unwrap().max = stated;
        let checked = CheckedBatch::check(batch, &policy());
        assert_eq!(checked.is_ok(), allowed, "{stated}: {:?}", checked.err());
    }
    check(0.0, 0.0, true);
    check(500.0, 500.0, true);
    check(500.0, -0.5, false);
    check(500.0, f64::NAN, false);
}

/// SLO-9: a decision has one id by its target, window and cause, and this one for ever.
#[test]
fn a_decision_has_an_id_of_its_own() {
    let id = decision_id(&autosave(), window(0), Cause::Slo);
    assert_eq!(id.to_string(), "6ba290d1-9a4d-5f9f-b0c0-2f2a2928f9d6");
    assert_eq!(id, decision_id(&autosave(), window(0), Cause::Slo));
    let editor = TargetName::parse("editor").unwrap();
    let others = [
        decision_id(&editor, window(0), Cause::Slo),
        decision_id(&autosave(), window(1), Cause::Slo),
        decision_id(&autosave(), window(0), Cause::CollectionDelayed),
    ];
    assert!(!others.contains(&id));
}

/// SLO-10: a decision could look at the batches of its target whose decisions were made before its own, and at no others.
#[test]
fn a_decision_looks_back_on_what_was_decided_before_it() {
    let mut state = GateState::unheard(autosave());
    let mut decided = |sequence: u32| decide(&mut state, 1, sequence, window(sequence).end);
    let known: Vec<Decision> = (0..4).map(&mut decided).collect();
    let batches: Vec<Batch> =
        (0..4).map(|n| Counts { window: window(n), ..Counts::default() }.batch()).collect();
    let mut other = known.clone();
    other[0].target = TargetName::parse("editor").unwrap();
    let seen = |known: &[Decision]| {
        let history = history_before(&known[2], std::iter::zip(known, &batches));
        history.into_iter().map(|it| it.window).collect::<Vec<_>>()
    };
    assert_eq!(seen(&known), [window(0), window(1)]);
    assert_eq!(seen(&other), [window(1)], "another target's");
}

/// SLO-10: why a decision cannot be made again is told with the field that the trouble is with.
#[test]
fn what_cannot_be_recomputed_names_its_field() {
    for (error, field) in [
        (RecomputeError::NoEvidence, "evidence"),
        (RecomputeError::NoBatch, "evidence.batch_hash"),
        (RecomputeError::Batch(BatchError::Epoch(1)), "evidence.batch_hash"),
        (RecomputeError::WrongPolicy(String::new()), "policy_version"),
        (RecomputeError::NoTarget(autosave()), "policy_version"),
        (RecomputeError::NoPhase(PhaseId::parse("A").unwrap()), "policy_version"),
    ] {
        assert_eq!(error.field(), field, "{error}");
    }
}

/// SLO-10: what comes out otherwise is named, field by field; a number that is none agrees with nothing.
#[test]
fn each_field_that_comes_out_otherwise_is_named() {
    fn check(expected: &[&str], change: fn(&mut Decision)) {
        let mut state = GateState::unheard(autosave());
        let again = decide(&mut state, 1, 0, window(0).end);
        let mut stored = again.clone();
        change(&mut stored);
        let found: Vec<_> = differences(&stored, &again).into_iter().map(|it| it.field).collect();
        assert_eq!(found, expected);
    }
    check(&[], |_| {});
    check(&["verdict"], |it| it.verdict = Verdict::Violation);
    check(&["epoch", "rollback_required"], |it| (it.epoch, it.rollback_required) = (2, true));
    check(&["metrics[1].observed"], |it| it.metrics[1].observed = Some(9.0));
    check(&["metrics"], |it| drop(it.metrics.pop()));
    check(&["violated"], |it| it.violated.push("error_rate".into()));
    check(&["evidence.sequence"], |it| it.evidence.as_mut().unwrap().sequence = 9);
    let mut state = GateState::unheard(autosave());
    let mut none = decide(&mut state, 1, 0, window(0).end);
    none.metrics[0].observed = Some(f64::NAN);
    let found = differences(&none, &none.clone());
    assert_eq!(found.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["metrics"]);
}

/// PH-8: the newest epoch is the one heard of last, from batches or from the watch.
#[test]
fn the_newest_epoch_is_that_of_run_or_watch() {
    let delayed_after = Duration::from_secs(300);
    for (run, watch, newest) in [
        (None, None, None),
        (Some(2), None, Some(2)),
        (None, Some(3), Some(3)),
        (Some(2), Some(3), Some(3)),
        (Some(4), Some(3), Some(4)),
    ] {
        let mut state = GateState::unheard(autosave());
        state.run = run.map(|epoch| (PhaseId::parse("A").unwrap(), Run::fresh(epoch)));
        state.watch =
            watch.and_then(|epoch| Watch::after_delay(None, &Subject { epoch, ..subject(0) }, delayed_after));
        assert_eq!(state.newest_epoch(), newest);
    }
}

/// SLO-3: a ratio that is no number is none.
#[test]
fn a_ratio_is_a_finite_number_or_none() {
    for (observed, threshold, expected) in [
        (None, 2.0, None),
        (Some(1.0), 2.0, Some(0.5)),
        (Some(1.0), 0.0, None),
        (Some(0.0), 0.0, None),
        (Some(1.0), 1e-320, None),
    ] {
        assert_eq!(ratio(observed, threshold), expected, "{observed:?} of {threshold}");
    }
}
