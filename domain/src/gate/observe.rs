//! What a window shows of each metric, before anything is held against it (SLO-5, JU-1).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::kinds::Chosen;
use crate::policy::{Control, DisplayUnit, MetricPolicy, PhasePolicy, TargetPolicy};
use events::records::OTHER_CODE;
use shared_types::batch::{Example, Intake};
use shared_types::decision::{Cause, Uncounted, UncountedReason};
use shared_types::{Batch, Decision, Epoch, Window};

use super::checked::CheckedBatch;
use super::group::{Attempts, Group};
use super::metric::{EarlierBatch, Facts, Metric, Observation};
use super::vanished::{EventSeen, seen as seen_events};

/// A window, as far as it can be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub cause: Cause,
    /// In the policy's order.
    pub metrics: Vec<ObservedMetric>,
    /// What could not be counted, by its commonest reason; none, if all could.
    pub uncounted: Option<Uncounted>,
    /// How often the policy's events came; none, if the window did not.
    pub events: Vec<EventSeen>,
}

/// One metric of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedMetric {
    pub observation: Observation,
    /// Of a metric with attempts, by the phase's threshold.
    pub attempts: Option<Attempts>,
}

/// How far back a judgement looks: as far as the metric that looks furthest.
#[must_use]
pub fn longest_look_back(policy: &TargetPolicy) -> Duration {
    policy.metrics.iter().filter_map(|metric| metric.kind.look_back()).max().unwrap_or_default()
}

/// A batch, as the metrics of a phase see it. `earlier` may hold more than is looked at: batches of other epochs and
/// outside the look-back are left out here (SLO-5).
#[must_use]
pub fn observe_batch(
    batch: &CheckedBatch,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Observed {
    let whole = batch.batch();
    let seen = Seen {
        epoch: whole.epoch,
        window: whole.window,
        counters: &whole.counters,
        measured: Measured::Batch(batch),
    };
    Observed { uncounted: uncounted(whole), ..observe_seen(seen, earlier, policy, phase) }
}

/// TE-6: with the commonest reason, or name, and the first line of it.
fn uncounted(batch: &Batch) -> Option<Uncounted> {
    let Intake { malformed, unknown, malformed_reasons, unknown_names, examples, lost, lost_files, .. } =
        &batch.intake;
    let (malformed, unknown, lost) = (*malformed, *unknown, *lost);
    let counted = batch.counters.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let all = counted.saturating_add(malformed).saturating_add(unknown);
    let (reason, count, kinds) = if malformed >= unknown {
        (UncountedReason::Malformed, malformed, malformed_reasons)
    } else {
        (UncountedReason::Unknown, unknown, unknown_names)
    };
    if count == 0 && lost == 0 {
        return None;
    }
    // What is left over is none of them.
    let told = kinds.iter().filter(|(what, _)| *what != OTHER_CODE);
    let commonest = told.max_by_key(|(what, count)| (**count, Reverse(*what))).map(|(what, _)| what.clone());
    let is_one = |it: &&Example| it.kind == reason && Some(&it.what) == commonest.as_ref();
    let example = examples.iter().find(is_one).cloned();
    let share = if count == 0 { 0.0 } else { count as f64 / all as f64 };
    let lost_files = lost_files.clone();
    Some(Uncounted { reason, share, over: false, commonest, example, lost, lost_files })
}

/// Whether the values that a phase holds against its thresholds come out of what a decision under `was` says of them, so
/// that no distribution is decoded again: the metrics are the same, and where attempts are counted by their durations, the
/// thresholds are too.
#[must_use]
pub fn same_observations(by: &TargetPolicy, was: &TargetPolicy) -> bool {
    by.metrics.iter().map(made).eq(was.metrics.iter().map(made))
        && (!by.gate.judge.weighs() || by.gate.judge == was.gate.judge && same_limits(by, was))
}

fn made(metric: &MetricPolicy) -> (&str, &Chosen<dyn Metric>, DisplayUnit, Option<&Control>) {
    (&metric.name, &metric.kind, metric.display, metric.control.as_ref())
}

/// Of the metrics that counters alone do not make; those of both policies are the same.
fn same_limits(by: &TargetPolicy, was: &TargetPolicy) -> bool {
    let same = |metric: &MetricPolicy| {
        let limit = |phase: &PhasePolicy| phase.thresholds.get(&metric.name).copied();
        let alike = |(by, was): (&PhasePolicy, &PhasePolicy)| by.id == was.id && limit(by) == limit(was);
        by.phases.len() == was.phases.len() && std::iter::zip(&by.phases, &was.phases).all(alike)
    };
    by.metrics.iter().filter(|metric| !metric.kind.is_counted()).all(same)
}

/// A window by its counts and, for what those do not hold, by what `decision` says was observed in it: its policy and this
/// one [observe the same](same_observations). `of` is the window, with its counts, in the epoch that it is judged in.
#[must_use]
pub fn observe_recorded(
    of: &EarlierBatch,
    decision: &Decision,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Observed {
    let EarlierBatch { epoch, window, counters } = of;
    let measured = Measured::Decision(decision);
    let seen = Seen { epoch: *epoch, window: *window, counters, measured };
    Observed { uncounted: decision.uncounted.clone(), ..observe_seen(seen, earlier, policy, phase) }
}

/// A window that did not come, so long after its end: what the collector knows of itself is the time elapsed, all else is
/// unknown (SLO-7, SLO-8).
#[must_use]
pub fn observe_missing(cause: Cause, elapsed: Duration, policy: &TargetPolicy) -> Observed {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let of = |metric: &MetricPolicy| {
        let value = metric.kind.observe_missing(elapsed_ms, metric.display);
        ObservedMetric { observation: Observation { value, ..Observation::default() }, attempts: None }
    };
    Observed { cause, metrics: policy.metrics.iter().map(of).collect(), uncounted: None, events: Vec::new() }
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

fn observe_seen(
    seen: Seen<'_>,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Observed {
    let siblings: Vec<&dyn Metric> = policy.metrics.iter().map(|metric| &*metric.kind).collect();
    let of = |metric| observe(metric, &siblings, seen, earlier, phase);
    let events = seen_events(policy, seen.counters);
    let metrics = policy.metrics.iter().map(of).collect();
    Observed { cause: Cause::Slo, metrics, uncounted: None, events }
}

/// One metric of a window. Without a value, if not all was counted that it is made from: another version of the policy
/// may not have asked for it.
fn observe(
    metric: &MetricPolicy,
    siblings: &[&dyn Metric],
    seen: Seen<'_>,
    earlier: &[EarlierBatch],
    phase: &PhasePolicy,
) -> ObservedMetric {
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
        buckets: batch.map(|batch| &batch.batch().buckets),
        breakdowns: batch.map(|batch| &batch.batch().breakdowns),
        values: batch.map(|batch| &batch.batch().values),
        collector_latency_ms: batch.map(|batch| batch.batch().collector_latency_ms),
        earlier,
        siblings,
    };
    let stated = match measured {
        Measured::Batch(_) => None,
        Measured::Decision(decision) => decision.metrics.iter().find(|it| it.metric == metric.name),
    };
    let weighed = stated.and_then(|it| it.weighed.as_ref());
    let threshold = phase.thresholds.get(&metric.name).copied();
    let was_counted = |kind: &dyn Metric| kind.needs().iter().all(|it| counters.contains_key(&it.name));
    let group = |kind: &dyn Metric, recorded: Option<Group>| {
        if matches!(measured, Measured::Decision(_)) && !kind.is_counted() {
            return recorded.filter(|_| was_counted(kind));
        }
        let counts = kind.counts(threshold?, &facts).filter(|_| was_counted(kind))?;
        let unresolved = kind.unresolved(threshold?, &facts);
        let sessions = kind.sessions(&facts).or(recorded.and_then(|it| it.sessions));
        Some(Group { counts, unresolved, sessions })
    };
    let exposed = group(&*metric.kind, weighed.map(Group::of));
    let beside = weighed.and_then(|it| it.control.as_ref()).map(Group::of_control);
    let control = metric.control.as_ref().and_then(|control| group(&*control.kind, beside));
    let mut observation = metric.kind.observe(&facts);
    if matches!(measured, Measured::Decision(_)) && !metric.kind.is_counted() {
        observation.value = stated.and_then(|it| it.observed);
        observation.between = stated.and_then(|it| it.between);
    }
    observation.value = observation.value.filter(|value| value.is_finite() && was_counted(&*metric.kind));
    observation.between = observation.between.filter(|_| was_counted(&*metric.kind));
    ObservedMetric { observation, attempts: exposed.map(|exposed| Attempts { exposed, control }) }
}
