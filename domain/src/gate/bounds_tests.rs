//! Durations of which the source knows bounds only, through the whole gate: a verdict where it is certain, and none where not.

use std::time::Duration;

use Verdict::{Insufficient, Ok, Violation, Warn};
use shared_types::decision::{Between, InsufficientReason, MetricVerdict};
use shared_types::{Buckets, Decision, Verdict};

use super::fixture::{COMPLETED, Counts, autosave, shipped_policy, whole_policy, window};
use super::ledger::{Judged, Rules, decide};
use super::recompute::decide_again;
use super::{CheckedBatch, EarlierBatch, GateState, Subject, batch_hash, observe_batch, observe_recorded};
use crate::policy::Policy;

const RESOLUTION: Option<InsufficientReason> = Some(InsufficientReason::Resolution);
const NO_BOUND: f64 = f64::INFINITY;

/// A stay in phase A, whose saves may take 2.5 s and one of twenty longer.
struct Stay {
    policy: Policy,
    state: GateState,
    next: u32,
}

impl Stay {
    fn under(policy: Policy) -> Self {
        Self { policy, state: GateState::unheard(autosave()), next: 0 }
    }

    /// The next window, its saves by bounds in seconds.
    fn window(&mut self, saves: &[(f64, f64, u64)]) -> Decision {
        let mut buckets = Buckets::default();
        saves.iter().for_each(|(lower, upper, count)| buckets.add(lower * 1000.0, upper * 1000.0, *count));
        let counts = Counts { window: window(self.next), completed: buckets.count(), ..Counts::default() };
        self.next += 1;
        let mut batch = counts.batch();
        batch.distributions.clear();
        batch.buckets.insert(COMPLETED.to_owned(), buckets);
        let target = self.policy.targets.values().next().unwrap();
        let phase = &target.phases[0];
        let checked = CheckedBatch::check(batch.clone(), target).unwrap();
        let observed = observe_batch(&checked, &[], target, phase);
        let at = batch.window.end.plus(Duration::from_secs(31));
        let batch_hash = Some(batch_hash(&batch));
        let seen = observed.metrics[0].observation.clone();
        let judged =
            Judged { subject: Subject::of(&batch), observed, batch_hash, elapsed_ms: None, sequence: 1, at };
        let rules = Rules { version: &self.policy.version, policy: target, phase };
        let decision = decide(&mut self.state, rules, judged);
        let again = decide_again(&decision, Some(&batch), &[], &self.policy).unwrap();
        assert_eq!(again, decision, "SLO-10: made again it comes out the same");
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
        let recorded = observe_recorded(&EarlierBatch::of(&batch), &decision, &[], target, phase);
        assert_eq!(recorded.metrics[0].observation, seen, "a decision says as much as its batch");
        decision
    }
}

fn latency(decision: &Decision) -> &MetricVerdict {
    &decision.metrics[0]
}

fn said(decision: &Decision) -> (Verdict, Option<InsufficientReason>) {
    (latency(decision).verdict, latency(decision).reason)
}

fn counted(decision: &Decision) -> (u64, u64, u64) {
    let weighed = latency(decision).weighed.as_ref().unwrap();
    (weighed.bad, weighed.unresolved, weighed.attempts)
}

/// JU-1, JU-3, SLO-10: what is surely bad counts, what may be bad is not thereby good; with a bound at the limit all is certain.
#[test]
fn a_verdict_by_evidence_is_given_where_the_bounds_make_it_certain() {
    let check = |saves: &[(f64, f64, u64)], expected, verdict, reason| {
        let decision = Stay::under(shipped_policy()).window(saves);
        assert_eq!((counted(&decision), said(&decision)), (expected, (verdict, reason)), "{saves:?}");
        assert_eq!(decision.verdict, verdict, "{saves:?}");
    };
    check(&[(0.0, 1.0, 960), (1.0, 2.5, 40)], (0, 0, 1000), Ok, None);
    check(&[(0.0, 1.0, 900), (1.0, 2.5, 100)], (0, 0, 1000), Warn, None);
    check(&[(0.0, 2.5, 800), (2.5, 5.0, 200)], (200, 0, 1000), Violation, None);
    check(&[(0.0, 2.5, 800), (2.5, NO_BOUND, 200)], (200, 0, 1000), Violation, None);
    check(&[(0.0, 1.0, 900), (1.0, 5.0, 100)], (0, 100, 1000), Insufficient, RESOLUTION);
    check(&[(0.0, 1.0, 900), (1.0, NO_BOUND, 100)], (0, 100, 1000), Insufficient, RESOLUTION);
    // Even if all of them were bad, that is less than one of twenty.
    check(&[(0.0, 1.0, 960), (1.0, 5.0, 40)], (0, 40, 1000), Ok, None);
    // What is certain beside it stands.
    check(&[(0.0, 1.0, 700), (1.0, 5.0, 100), (5.0, 9.0, 200)], (200, 100, 1000), Violation, None);
}

/// SLO-2: the same where each window speaks for itself.
#[test]
fn a_verdict_of_a_window_is_given_where_the_bounds_make_it_certain() {
    let check = |saves: &[(f64, f64, u64)], verdict, reason| {
        let decision = Stay::under(whole_policy()).window(saves);
        assert_eq!((said(&decision), decision.verdict), ((verdict, reason), verdict), "{saves:?}");
        assert_eq!((latency(&decision).observed, latency(&decision).ratio), (None, None));
    };
    check(&[(0.0, 1.0, 960), (1.0, 2.5, 40)], Ok, None);
    check(&[(0.0, 2.5, 1000)], Warn, None);
    check(&[(0.0, 2.5, 940), (2.5, 5.0, 60)], Violation, None);
    check(&[(0.0, 1.0, 940), (1.0, 5.0, 60)], Insufficient, RESOLUTION);
    check(&[(0.0, 2.5, 20)], Insufficient, None);
}

/// SLO-3: bounds are told in the metric's unit, and what breaks its limit is ordered by how far it surely is beyond it.
#[test]
fn bounds_are_told_in_the_unit_of_the_metric() {
    let decision = Stay::under(shipped_policy()).window(&[(0.0, 0.07, 100), (5.0, 10.0, 900)]);
    let metric = latency(&decision);
    assert_eq!(metric.between, Some(Between { lower: 5.0, upper: Some(10.0) }));
    assert_eq!(
        (metric.used(), decision.violated.as_slice()),
        (Some(2.0), ["save_latency_p95".to_owned()].as_slice())
    );
    let decision = Stay::under(shipped_policy()).window(&[(0.0, 0.07, 100)]);
    assert_eq!(latency(&decision).between, Some(Between { lower: 0.0, upper: Some(0.07) }));
}

/// JU-5: of windows that are put together all that may be bad is remembered, not that of the last one alone.
#[test]
fn small_windows_together_are_as_certain_as_all_of_them() {
    let mut stay = Stay::under(shipped_policy());
    let good = [(0.0, 1.0, 20)];
    let third = |stay: &mut Stay, first: u64| {
        let waiting =
            [&[(0.0, 1.0, 20 - first), (1.0, 5.0, first)][..], &good].map(|it| said(&stay.window(it)));
        assert_eq!(waiting, [(Insufficient, None); 2]);
        said(&stay.window(&good))
    };
    assert_eq!(third(&mut stay, 2), (Ok, None), "2 of 60 may be bad");
    let mut stay = Stay::under(shipped_policy());
    assert_eq!(third(&mut stay, 4), (Insufficient, RESOLUTION));
    // The next one holds enough by itself.
    assert_eq!(said(&stay.window(&[(0.0, 1.0, 100)])), (Ok, None));
}
