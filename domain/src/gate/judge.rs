//! The verdict of a window: every metric against the phase's threshold, worst first (SLO-1 to SLO-6, SLO-8).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::{MetricPolicy, PhasePolicy, TargetPolicy};
use shared_types::decision::{Cause, Evidence, HistoryValue, MetricVerdict, RunBefore, ViolationAction};
use shared_types::{Decision, Epoch, Verdict, Window};

use super::checked::CheckedBatch;
use super::metric::{EarlierBatch, Facts, Metric, Observation};
use super::threshold::{Threshold, hold_against, ratio, worst_first};

/// What a decision stands on besides its judgement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Basis {
    /// Of the batch that was judged.
    pub batch_hash: Option<String>,
    /// Since the end of a window whose batch is missing.
    pub elapsed_ms: Option<u64>,
    /// The run that it goes on from.
    pub run: Option<RunBefore>,
    pub sequence: u64,
}

/// All that the gate says of a window, before it gets an id and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    pub cause: Cause,
    pub verdict: Verdict,
    /// In the policy's order.
    pub metrics: Vec<MetricVerdict>,
    /// Worst first.
    pub violated: Vec<String>,
    /// The strongest of the violated metrics' actions.
    pub action: Option<ViolationAction>,
    pub samples: u64,
    pub history: Vec<HistoryValue>,
}

impl Judgement {
    /// SLO-4.
    #[must_use]
    pub fn rollback_required(&self) -> bool {
        self.action == Some(ViolationAction::Rollback)
    }

    /// What the decision keeps to be recomputed from (SLO-10).
    #[must_use]
    pub fn evidence(&self, basis: Basis) -> Evidence {
        let Basis { batch_hash, elapsed_ms, run, sequence } = basis;
        let history = self.history.clone();
        Evidence { batch_hash, samples: self.samples, history, elapsed_ms, run, sequence }
    }
}

/// How far back a judgement looks: as far as the metric that looks furthest.
#[must_use]
pub fn longest_look_back(policy: &TargetPolicy) -> Duration {
    policy.metrics.iter().filter_map(|metric| metric.kind.look_back()).max().unwrap_or_default()
}

/// Holds a batch against the thresholds of `phase`. `earlier` may hold more than is looked at: batches of
/// other epochs and outside the look-back are left out here (SLO-5).
#[must_use]
pub fn judge_batch(
    batch: &CheckedBatch,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    let whole = batch.batch();
    let seen = Seen {
        epoch: whole.epoch,
        window: whole.window,
        counters: &whole.counters,
        measured: Measured::Batch(batch),
    };
    judge_seen(seen, earlier, policy, phase)
}

/// Whether two policies make the same values from a batch, whatever they hold against them.
#[must_use]
pub fn same_metrics(left: &TargetPolicy, right: &TargetPolicy) -> bool {
    let made = |policy: &TargetPolicy| {
        let metrics = policy.metrics.iter();
        metrics.map(|it| (it.name.clone(), it.kind.clone(), it.display)).collect::<Vec<_>>()
    };
    made(left) == made(right)
}

/// Judges a window by its counts and, for what those do not hold, by what `decision` says was observed in it: its policy
/// and this one have the [same metrics](same_metrics), so no distribution is decoded again. `of` is the window, with
/// its counts, in the epoch that it is judged in.
#[must_use]
pub fn judge_observed(
    of: &EarlierBatch,
    decision: &Decision,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    let EarlierBatch { epoch, window, counters } = of;
    let measured = Measured::Decision(decision);
    judge_seen(Seen { epoch: *epoch, window: *window, counters, measured }, earlier, policy, phase)
}

fn judge_seen(
    seen: Seen<'_>,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    let siblings: Vec<&dyn Metric> = policy.metrics.iter().map(|metric| &*metric.kind).collect();
    let observations: Vec<Observation> =
        policy.metrics.iter().map(|metric| observe(metric, &siblings, seen, earlier)).collect();
    let metrics = verdicts(policy, phase, &observations);
    let samples = observations.iter().filter_map(|observation| observation.samples).min().unwrap_or(0);
    let history = observations.into_iter().flat_map(|observation| observation.history).collect();
    conclude(Cause::Slo, metrics, samples, history)
}

/// Says what a window means whose batch did not come: `collector_latency` is the time elapsed, all else is
/// unknown (SLO-7, SLO-8). It is never `ok`. With `retry_exhausted` it is a violation whatever the time.
#[must_use]
pub fn judge_missing(
    cause: Cause,
    elapsed: Duration,
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let observations: Vec<Observation> = policy
        .metrics
        .iter()
        .map(|metric| {
            let value = metric.kind.observe_missing(elapsed_ms, metric.display);
            Observation { value, ..Observation::default() }
        })
        .collect();
    let mut metrics = verdicts(policy, phase, &observations);
    let exhausted = cause == Cause::RetryExhausted;
    for metric in metrics.iter_mut().filter(|metric| exhausted && metric.observed.is_some()) {
        metric.verdict = Verdict::Violation;
    }
    let mut judgement = conclude(cause, metrics, 0, Vec::new());
    if exhausted && judgement.verdict != Verdict::Violation {
        // A policy without a collector metric still has to hear of it (ES-2).
        judgement.verdict = Verdict::Violation;
        judgement.action = Some(ViolationAction::Page);
    }
    judgement.verdict = judgement.verdict.max(Verdict::Insufficient);
    judgement
}

/// A window, as far as metrics are made from it.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    epoch: Epoch,
    window: Window,
    counters: &'a BTreeMap<String, u64>,
    measured: Measured<'a>,
}

/// Where the values come from that no counter holds.
#[derive(Debug, Clone, Copy)]
enum Measured<'a> {
    Batch(&'a CheckedBatch),
    /// By a policy that made its metrics in the same way.
    Decision(&'a Decision),
}

/// One metric of a window. Without a value, if not all was counted that it is made from: another version of the policy
/// may not have asked for it.
fn observe(
    metric: &MetricPolicy,
    siblings: &[&dyn Metric],
    seen: Seen<'_>,
    earlier: &[EarlierBatch],
) -> Observation {
    let Seen { epoch, window, counters, measured } = seen;
    let batch = match measured {
        Measured::Batch(batch) => Some(batch),
        Measured::Decision(_) => None,
    };
    let facts = Facts {
        metric: &metric.name,
        display: metric.display,
        epoch,
        window,
        counters,
        histograms: batch.map(CheckedBatch::histograms),
        collector_latency_ms: batch.map(|batch| batch.batch().collector_latency_ms),
        earlier,
        siblings,
    };
    let mut observation = metric.kind.observe(&facts);
    if let Measured::Decision(decision) = measured
        && !metric.kind.is_counted()
    {
        let stated = decision.metrics.iter().find(|it| it.metric == metric.name);
        observation.value = stated.and_then(|it| it.observed);
    }
    let counted = || metric.kind.needs().iter().all(|event| counters.contains_key(&event.name));
    observation.value = observation.value.filter(|value| value.is_finite() && counted());
    observation
}

fn verdicts(policy: &TargetPolicy, phase: &PhasePolicy, observations: &[Observation]) -> Vec<MetricVerdict> {
    let gate = &policy.gate;
    std::iter::zip(&policy.metrics, observations)
        .filter_map(|(metric, observation)| {
            let limit = *phase.thresholds.get(&metric.name)?;
            let (direction, unit) = (metric.kind.direction(), metric.display.symbol());
            let threshold = Threshold { direction, limit, unit, warn_ratio: gate.warn_ratio };
            let enough = observation.samples.is_none_or(|samples| samples >= gate.min_samples);
            Some(MetricVerdict {
                metric: metric.name.clone(),
                observed: observation.value,
                threshold: limit,
                unit: unit.to_owned(),
                ratio: ratio(observation.value, limit),
                verdict: hold_against(observation.value, &threshold, enough),
                on_violation: metric.on_violation,
                direction,
            })
        })
        .collect()
}

/// SLO-3 and SLO-4: the worst metric's verdict, the violated ones worst first, the strongest action.
fn conclude(
    cause: Cause,
    metrics: Vec<MetricVerdict>,
    samples: u64,
    history: Vec<HistoryValue>,
) -> Judgement {
    let verdict = metrics.iter().map(|metric| metric.verdict).max().unwrap_or(Verdict::Insufficient);
    let mut violated: Vec<&MetricVerdict> =
        metrics.iter().filter(|metric| metric.verdict == Verdict::Violation).collect();
    violated.sort_by(|left, right| worst_first(left, right));
    let action = violated.iter().map(|metric| metric.on_violation).max();
    let violated = violated.into_iter().map(|metric| metric.metric.clone()).collect();
    Judgement { cause, verdict, metrics, violated, action, samples, history }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
