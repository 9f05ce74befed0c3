//! Edges of the gate that a mutation run has found unguarded (docs/contributing/mutation.md).

use std::time::Duration;

use shared_types::decision::{Cause, ViolationAction};
use shared_types::{Decision, Timestamp, Verdict, Window};

use super::fixture::{Counts, ERROR, autosave, policy, window};
use super::ledger::{self, Judged, Rules};
use super::threshold::ratio;
use super::watch::Watch;
use super::{CheckedBatch, GateState, Subject, batch_hash, judge_batch, same_metrics};
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
        judgement: judge_batch(&batch, &[], &policy, phase),
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

/// PO-4: values are taken over from a decision only where the other policy makes them in the same way.
#[test]
fn policies_have_the_same_metrics_whatever_they_hold_against_them() {
    fn check(what: &str, same: bool, change: fn(&mut TargetPolicy)) {
        let mut other = policy();
        change(&mut other);
        assert_eq!(same_metrics(&policy(), &other), same, "{what}");
        assert_eq!(same_metrics(&other, &policy()), same, "{what}");
    }
    check("nothing", true, |_| {});
    check("a limit", true, |it| it.phases[0].thresholds.values_mut().for_each(|limit| *limit *= 2.0));
    check("the answer to a violation", true, |it| {
        it.metrics[0].on_violation = it.metrics[0].on_violation.min(ViolationAction::Hold)
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

/// TE-3: a window lasts some time, and a week at most.
#[test]
fn a_window_lasts_a_week_at_most() {
    let week = Duration::from_secs(7 * 24 * 3600);
    let millisecond = Duration::from_millis(1);
    for (length, allowed) in
        [(Duration::ZERO, false), (millisecond, true), (week, true), (week + millisecond, false)]
    {
        let of_that_length = Window { start: window(0).start, end: window(0).start.plus(length) };
        assert_eq!(CheckedBatch::check_window("window", of_that_length).is_ok(), allowed, "{length:?}");
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
