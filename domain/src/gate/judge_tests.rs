//! The gate's table (SLO-1 to SLO-6, SLO-8).

use std::time::Duration;

use super::super::fixture::{
    COMPLETED, Counts, DRIFT, ERROR, earlier, judge_batch, judge_missing, policy, shipped, window,
};
use super::*;
use crate::gate::metric::builtin::CollectorLatency;
use crate::gate::metric::quantile::Quantile;
use crate::gate::metric::ratio::Ratio;
use crate::gate::{CheckedBatch, EarlierBatch};
use crate::kinds::Chosen;
use std::sync::Arc;

fn judge(counts: &Counts) -> Judgement {
    judge_after(counts, &[])
}

fn judge_after(counts: &Counts, earlier: &[EarlierBatch]) -> Judgement {
    let (policy, batch) = (policy(), counts.checked());
    judge_batch(&batch, earlier, &policy, batch.phase_policy(&policy).unwrap())
}

fn metric<'j>(judgement: &'j Judgement, name: &str) -> &'j MetricVerdict {
    judgement.metrics.iter().find(|metric| metric.metric == name).unwrap()
}

fn check(counts: &Counts, name: &str, expected: Verdict) {
    let judgement = judge(counts);
    assert_eq!(metric(&judgement, name).verdict, expected, "{name} of {counts:?}: {judgement:?}");
    let violated = if expected == Verdict::Violation { vec![name.to_owned()] } else { vec![] };
    assert_eq!(judgement.violated, violated, "{name} of {counts:?}");
    assert_eq!(judgement.verdict, expected, "{name} of {counts:?}");
    assert_eq!(judgement.rollback_required(), expected == Verdict::Violation);
}

/// SLO-1, SLO-2: each of the twelve cells, at the threshold (compliant), just above it, in and below the warn band.
#[test]
fn every_cell_of_the_table_holds() {
    for (phase, save_ms, errors, latency_ms) in
        [("A", 2500.0, 100, 180_000), ("B", 2000.0, 50, 120_000), ("C", 1800.0, 30, 120_000)]
    {
        // Of 10,000 saves; so 1.0 % is 100 of them.
        let healthy = Counts { phase, completed: 10_000, ..Counts::default() };

        let save = |save_ms| Counts { save_ms, ..healthy.clone() };
        check(&save(save_ms), "save_latency_p95", Verdict::Warn);
        check(&save(save_ms * 1.001), "save_latency_p95", Verdict::Violation);
        check(&save(save_ms * 0.8), "save_latency_p95", Verdict::Ok);
        check(&save(save_ms * 0.802), "save_latency_p95", Verdict::Warn);

        let failing = |errors| Counts { errors, completed: 10_000 - errors, ..healthy.clone() };
        check(&failing(errors), "error_rate", Verdict::Warn);
        check(&failing(errors + 1), "error_rate", Verdict::Violation);
        check(&failing(errors * 8 / 10), "error_rate", Verdict::Ok);
        check(&failing(errors * 8 / 10 + 1), "error_rate", Verdict::Warn);

        check(&Counts { drift: 0, ..healthy.clone() }, "history_drift", Verdict::Ok);
        check(&Counts { drift: 1, ..healthy.clone() }, "history_drift", Verdict::Violation);

        let collected_after = |latency_ms| Counts { latency_ms, ..healthy.clone() };
        check(&collected_after(latency_ms), "collector_latency", Verdict::Warn);
        check(&collected_after(latency_ms + 1), "collector_latency", Verdict::Violation);
        check(&collected_after(latency_ms * 8 / 10), "collector_latency", Verdict::Ok);
        check(&collected_after(latency_ms * 8 / 10 + 1), "collector_latency", Verdict::Warn);
    }
}

/// SLO-1: values and thresholds are in the unit the policy shows them in.
#[test]
fn metrics_are_in_their_display_units() {
    let judgement = judge(&Counts { save_ms: 2000.0, completed: 990, errors: 10, ..Counts::default() });
    let shown: Vec<_> = judgement
        .metrics
        .iter()
        .map(|metric| (metric.metric.as_str(), metric.observed, metric.threshold, metric.unit.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("save_latency_p95", Some(2.0), 2.5, "s"),
            ("error_rate", Some(1.0), 1.0, "%"),
            ("history_drift", Some(0.0), 0.0, ""),
            ("collector_latency", Some(31.25), 180.0, "s"),
        ]
    );
    assert_eq!(metric(&judgement, "save_latency_p95").ratio, Some(0.8));
    assert_eq!(metric(&judgement, "history_drift").ratio, None);
    assert_eq!(judgement.samples, 1000);
}

/// SLO-3: all violated metrics are listed, worst first; over a threshold of 0 is worst of all.
#[test]
fn violated_metrics_are_listed_worst_first() {
    let counts =
        Counts { save_ms: 2750.0, completed: 950, errors: 50, latency_ms: 240_000, ..Counts::default() };
    assert_eq!(judge(&counts).violated, ["error_rate", "collector_latency", "save_latency_p95"]);
    let drifting = Counts { drift: 1, ..counts };
    assert_eq!(
        judge(&drifting).violated,
        ["history_drift", "error_rate", "collector_latency", "save_latency_p95"]
    );
}

/// SLO-3: violation > warn > insufficient > ok.
#[test]
fn verdict_is_the_worst_of_the_metrics() {
    let few = Counts { completed: 49, ..Counts::default() };
    let verdict = |counts: Counts| judge(&counts).verdict;
    assert_eq!(verdict(Counts::default()), Verdict::Ok);
    assert_eq!(verdict(few.clone()), Verdict::Insufficient);
    assert_eq!(verdict(Counts { latency_ms: 150_000, ..few.clone() }), Verdict::Warn);
    assert_eq!(verdict(Counts { drift: 1, latency_ms: 150_000, ..few }), Verdict::Violation);
}

/// SLO-4: the strongest action of the violated metrics counts, and only theirs.
#[test]
fn rollback_is_required_only_by_a_violated_metric_that_says_so() {
    let actions = |errors: ViolationAction, drift: ViolationAction, counts: Counts| {
        let mut policy = policy();
        policy.metrics[1].on_violation = errors;
        policy.metrics[2].on_violation = drift;
        let batch = counts.checked();
        let judgement = judge_batch(&batch, &[], &policy, batch.phase_policy(&policy).unwrap());
        (judgement.action, judgement.rollback_required())
    };
    use ViolationAction::{Hold, Page, Rollback};
    let failing = Counts { errors: 100, ..Counts::default() };
    let both = Counts { drift: 1, ..failing.clone() };
    assert_eq!(actions(Hold, Rollback, Counts::default()), (None, false));
    assert_eq!(actions(Hold, Rollback, failing.clone()), (Some(Hold), false));
    assert_eq!(actions(Page, Rollback, failing), (Some(Page), false));
    assert_eq!(actions(Hold, Page, both.clone()), (Some(Page), false));
    assert_eq!(actions(Page, Rollback, both), (Some(Rollback), true));
}

/// SLO-1, SLO-5: the mean takes the batches of the last hour, of the current epoch only.
#[test]
fn drift_is_the_mean_of_the_last_hour_of_this_epoch() {
    let now = Counts { window: window(4), epoch: 2, ..Counts::default() };
    let cases: [(&str, Vec<EarlierBatch>, f64); 6] = [
        ("nothing before", vec![], 0.0),
        ("in the hour", vec![earlier(2, window(1), 2)], 1.0),
        ("three in the hour", (1..4).map(|n| earlier(2, window(n), 1)).collect(), 0.75),
        ("ended just an hour before the end", vec![earlier(2, window(0), 7)], 0.0),
        ("of the epoch before", vec![earlier(1, window(3), 7)], 0.0),
        ("the same window and later ones", vec![earlier(2, window(4), 7), earlier(2, window(5), 7)], 0.0),
    ];
    for (case, before, mean) in cases {
        let judgement = judge_after(&now, &before);
        assert_eq!(metric(&judgement, "history_drift").observed, Some(mean), "{case}");
        let violated = metric(&judgement, "history_drift").verdict == Verdict::Violation;
        assert_eq!(violated, mean > 0.0, "{case}");
    }
}

/// SLO-5: one drift is in one epoch's mean only, so the rollback it led to ends it.
#[test]
fn drift_of_the_epoch_before_does_not_violate_again() {
    let history = [earlier(1, window(0), 1)];
    let next = |epoch| judge_after(&Counts { window: window(1), epoch, ..Counts::default() }, &history);
    assert_eq!(next(1).verdict, Verdict::Violation);
    assert_eq!(next(2).verdict, Verdict::Ok);
}

/// SLO-6: under 50 saves, failed ones counted, latency and error rate are insufficient; the rest is judged.
#[test]
fn few_samples_are_insufficient() {
    let at = |completed, errors| {
        let judgement = judge(&Counts { completed, errors, save_ms: 9000.0, ..Counts::default() });
        let [p95, rate] = ["save_latency_p95", "error_rate"].map(|name| metric(&judgement, name).verdict);
        assert_eq!(metric(&judgement, "collector_latency").verdict, Verdict::Ok);
        assert_eq!(metric(&judgement, "history_drift").verdict, Verdict::Ok);
        (p95, rate)
    };
    use Verdict::{Insufficient, Violation};
    assert_eq!(at(48, 1), (Insufficient, Insufficient));
    assert_eq!(at(49, 1), (Violation, Violation));
    assert_eq!(at(0, 0), (Insufficient, Insufficient));
    assert_eq!(at(0, 50), (Insufficient, Violation), "no completed save has no latency");
}

/// CO-5: of what the source did not have nothing is known, and nothing is compliant; the rest is judged.
#[test]
fn what_the_source_did_not_have_has_no_value() {
    for policy in [policy(), shipped()] {
        for (event, unknown) in [(DRIFT, &["history_drift"][..]), (ERROR, &["error_rate"])] {
            let mut batch = Counts::default().batch();
            batch.counters.remove(event);
            batch.intake.missing.insert(event.to_owned(), "no sample".to_owned());
            let batch = CheckedBatch::check(batch, &policy).unwrap();
            let judgement = judge_batch(&batch, &[], &policy, &policy.phases[0]);
            let without: Vec<&str> = judgement
                .metrics
                .iter()
                .filter(|metric| metric.observed.is_none())
                .map(|metric| metric.metric.as_str())
                .collect();
            assert_eq!(without, unknown, "{judgement:?}");
            assert_eq!(metric(&judgement, unknown[0]).verdict, Verdict::Insufficient);
            assert_eq!(judgement.verdict, Verdict::Insufficient);
        }
    }
}

/// SLO-6: too few saves hide no drift and no late collector.
#[test]
fn drift_and_collector_latency_are_judged_without_samples() {
    let empty = Counts { completed: 0, ..Counts::default() };
    assert_eq!(judge(&Counts { drift: 1, ..empty.clone() }).violated, ["history_drift"]);
    assert_eq!(judge(&Counts { latency_ms: 180_001, ..empty }).violated, ["collector_latency"]);
}

fn missing(cause: Cause, seconds: u64, policy: &TargetPolicy) -> Judgement {
    judge_missing(cause, Duration::from_secs(seconds), policy, &policy.phases[0])
}

/// SLO-8: a delay is a collector latency of the time elapsed; nothing else is known.
#[test]
fn delay_counts_as_collector_latency() {
    let judgement = missing(Cause::CollectionDelayed, 300, &policy());
    assert_eq!(judgement.verdict, Verdict::Violation);
    assert_eq!(judgement.violated, ["collector_latency"]);
    assert!(judgement.rollback_required());
    assert_eq!(metric(&judgement, "collector_latency").observed, Some(300.0));
    assert_eq!(metric(&judgement, "save_latency_p95").verdict, Verdict::Insufficient);
}

/// SLO-7: silence is never ok, even where the policy would be content with the time elapsed.
#[test]
fn delay_within_the_threshold_is_still_not_ok() {
    assert_eq!(missing(Cause::CollectionDelayed, 10, &policy()).verdict, Verdict::Insufficient);
    assert_eq!(missing(Cause::CollectionDelayed, 170, &policy()).verdict, Verdict::Warn);
    let mut only_latency = policy();
    only_latency.metrics.retain(|metric| metric.kind.of_kind::<CollectorLatency>().is_some());
    assert_eq!(missing(Cause::CollectionDelayed, 10, &only_latency).verdict, Verdict::Insufficient);
    only_latency.metrics.clear();
    assert_eq!(missing(Cause::CollectionDelayed, 10, &only_latency).verdict, Verdict::Insufficient);
}

/// SLO-8: exhausted retries are a violation at once, whatever the time elapsed.
#[test]
fn exhausted_retries_violate_at_once() {
    let judgement = missing(Cause::RetryExhausted, 1, &policy());
    assert_eq!((judgement.verdict, judgement.rollback_required()), (Verdict::Violation, true));
    assert_eq!(judgement.violated, ["collector_latency"]);

    let mut without = policy();
    without.metrics.retain(|metric| metric.kind.of_kind::<CollectorLatency>().is_none());
    let judgement = missing(Cause::RetryExhausted, 1, &without);
    assert_eq!((judgement.verdict, judgement.action), (Verdict::Violation, Some(ViolationAction::Page)));
}

/// A second kind of event has samples of its own: a rare one does not hide a frequent one's failures.
#[test]
fn samples_are_counted_for_each_metric_by_itself() {
    let mut policy = policy();
    policy.metrics[0].kind = Chosen(Arc::new(Quantile { q: 0.5, of: DRIFT.into(), field: "x".into() }));
    policy.metrics[1].kind = Chosen(Arc::new(Ratio {
        of: ERROR.into(),
        to: vec![COMPLETED.into(), ERROR.into()],
        direction: Direction::AtMost,
    }));
    let batch = Counts { errors: 500, ..Counts::default() }.checked();
    let judgement = judge_batch(&batch, &[], &policy, &policy.phases[0]);
    assert_eq!(metric(&judgement, "save_latency_p95").verdict, Verdict::Insufficient);
    assert_eq!(metric(&judgement, "error_rate").verdict, Verdict::Violation);
    assert_eq!(judgement.samples, 0);
}
