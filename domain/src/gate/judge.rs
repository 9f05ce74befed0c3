//! The verdict of a window: every metric against the phase's threshold, worst first (SLO-1 to SLO-6, SLO-8).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::{MetricKind, PhasePolicy, TargetPolicy};
use shared_types::decision::{Cause, Evidence, HistoryValue, MetricVerdict, RunBefore, ViolationAction};
use shared_types::{Batch, Decision, Epoch, Verdict, Window};

use super::checked::CheckedBatch;
use super::observe::{Measured, Observation, Seen, collector_latency, observe};
use super::threshold::{hold_against, ratio, worst_first};

/// What a mean over time needs of a batch that was before.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierBatch {
    pub epoch: Epoch,
    pub window: Window,
    pub counters: BTreeMap<String, u64>,
}

impl EarlierBatch {
    /// What a later batch may look at of this one.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        Self { epoch: batch.epoch, window: batch.window, counters: batch.counters.clone() }
    }
}

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

/// How far back a judgement looks: the longest mean of the policy.
#[must_use]
pub fn longest_look_back(policy: &TargetPolicy) -> Duration {
    let over = |kind: &MetricKind| match kind {
        MetricKind::Mean { over, .. } => Some(*over),
        MetricKind::Quantile { .. } | MetricKind::Ratio { .. } | MetricKind::CollectorLatency => None,
    };
    policy.metrics.iter().filter_map(|metric| over(&metric.kind)).max().unwrap_or_default()
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
    judge_seen(Seen::of(batch), earlier, policy, phase)
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
    let observations: Vec<Observation> =
        policy.metrics.iter().map(|metric| observe(metric, policy, seen, earlier)).collect();
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
            let value = matches!(metric.kind, MetricKind::CollectorLatency)
                .then(|| collector_latency(elapsed_ms, metric));
            Observation { value, samples: None, history: Vec::new() }
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

fn verdicts(policy: &TargetPolicy, phase: &PhasePolicy, observations: &[Observation]) -> Vec<MetricVerdict> {
    let gate = &policy.gate;
    std::iter::zip(&policy.metrics, observations)
        .filter_map(|(metric, observation)| {
            let threshold = *phase.thresholds.get(&metric.name)?;
            let enough = observation.samples.is_none_or(|samples| samples >= gate.min_samples);
            Some(MetricVerdict {
                metric: metric.name.clone(),
                observed: observation.value,
                threshold,
                unit: metric.display.symbol().to_owned(),
                ratio: ratio(observation.value, threshold),
                verdict: hold_against(observation.value, threshold, gate.warn_ratio, enough),
                on_violation: metric.on_violation,
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
