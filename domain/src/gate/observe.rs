//! A metric's value from a batch, in the unit the policy shows it in (SLO-1).
//!
//! Every function returns `None` instead of a number that is none: an empty window has no quantile and no
//! error rate.

use std::collections::BTreeMap;

use crate::policy::{DisplayUnit, MetricKind, MetricPolicy, TargetPolicy};
use shared_types::decision::HistoryValue;
use shared_types::{Decision, Epoch, Timestamp, Window};

use super::checked::{CheckedBatch, made_from};
use super::judge::EarlierBatch;

/// What a batch says of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation {
    pub(super) value: Option<f64>,
    /// Events it stands on, for the metrics that need a minimum (SLO-6).
    pub(super) samples: Option<u64>,
    /// The earlier values it stands on, oldest first.
    pub(super) history: Vec<HistoryValue>,
}

/// A window, as far as metrics are made from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) epoch: Epoch,
    pub(super) window: Window,
    pub(super) counters: &'a BTreeMap<String, u64>,
    pub(super) measured: Measured<'a>,
}

/// Where the values come from that no counter holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measured<'a> {
    Batch(&'a CheckedBatch),
    /// By a policy that made its metrics in the same way.
    Decision(&'a Decision),
}

impl<'a> Seen<'a> {
    /// All of a batch.
    pub(super) fn of(batch: &'a CheckedBatch) -> Self {
        let whole = batch.batch();
        Self {
            epoch: whole.epoch,
            window: whole.window,
            counters: &whole.counters,
            measured: Measured::Batch(batch),
        }
    }

    /// Whether all that a metric is made from was counted: another version of the policy may not have asked for it.
    fn counted(&self, kind: &MetricKind) -> bool {
        made_from(kind).into_iter().all(|name| self.counters.contains_key(name))
    }

    fn count(&self, event: &str) -> u64 {
        self.counters.get(event).copied().unwrap_or(0)
    }

    fn total(&self, events: &[String]) -> u64 {
        events.iter().fold(0, |sum: u64, event| sum.saturating_add(self.count(event)))
    }
}

/// Computes one metric.
pub(super) fn observe(
    metric: &MetricPolicy,
    policy: &TargetPolicy,
    seen: Seen<'_>,
    earlier: &[EarlierBatch],
) -> Observation {
    let mut history = Vec::new();
    let value = match (&metric.kind, seen.measured) {
        (MetricKind::Quantile { .. } | MetricKind::CollectorLatency, Measured::Decision(decision)) => {
            decision.metrics.iter().find(|it| it.metric == metric.name).and_then(|it| it.observed)
        }
        (MetricKind::Quantile { q, of, .. }, Measured::Batch(batch)) => batch
            .histogram(of)
            .and_then(|histogram| histogram.quantile(*q))
            .map(|value| shown_duration(value, metric.display)),
        (MetricKind::CollectorLatency, Measured::Batch(batch)) => {
            Some(collector_latency(batch.batch().collector_latency_ms, metric))
        }
        (MetricKind::Ratio { of, to }, _) => shown_ratio(seen.count(of), seen.total(to), metric.display),
        (MetricKind::Mean { of, over }, _) => {
            history = earlier_values(metric, of, seen, earlier, seen.window.end.minus(*over));
            let sum: f64 = history.iter().map(|value| value.value).sum();
            Some((sum + as_number(seen.count(of))) / (history.len() as f64 + 1.0))
        }
    };
    let value = value.filter(|value| value.is_finite() && seen.counted(&metric.kind));
    Observation { value, samples: samples(metric, policy, seen), history }
}

/// A collector latency in the metric's unit.
pub(super) fn collector_latency(millis: u64, metric: &MetricPolicy) -> f64 {
    shown_duration(as_number(millis), metric.display)
}

/// Batches of the same epoch whose end lies inside the look-back, before this one.
fn earlier_values(
    metric: &MetricPolicy,
    of: &str,
    this: Seen<'_>,
    earlier: &[EarlierBatch],
    since: Timestamp,
) -> Vec<HistoryValue> {
    let mut values: Vec<HistoryValue> = earlier
        .iter()
        .filter(|earlier| earlier.epoch == this.epoch)
        .filter(|earlier| earlier.window.start < this.window.start && earlier.window.end > since)
        .filter_map(|earlier| {
            let value = as_number(*earlier.counters.get(of)?);
            Some(HistoryValue { metric: metric.name.clone(), window: earlier.window, value })
        })
        .collect();
    values.sort_by_key(|value| value.window);
    values
}

/// What `min_samples` is held against: a ratio's denominator; for a quantile the denominator of the ratio
/// that counts the same event (a save is a save, completed or failed), else the event itself.
fn samples(metric: &MetricPolicy, policy: &TargetPolicy, seen: Seen<'_>) -> Option<u64> {
    match &metric.kind {
        MetricKind::Ratio { to, .. } => Some(seen.total(to)),
        MetricKind::Quantile { of, .. } => {
            let attempts = policy.metrics.iter().filter_map(|other| match &other.kind {
                MetricKind::Ratio { to, .. } if to.contains(of) => Some(seen.total(to)),
                _ => None,
            });
            Some(attempts.max().unwrap_or_else(|| seen.count(of)))
        }
        MetricKind::Mean { .. } | MetricKind::CollectorLatency => None,
    }
}

fn shown_duration(millis: f64, display: DisplayUnit) -> f64 {
    match display {
        DisplayUnit::Seconds => millis / 1000.0,
        DisplayUnit::Milliseconds | DisplayUnit::Percent | DisplayUnit::Number => millis,
    }
}

/// The part is scaled before it is divided: 3 of 1000 is then exactly the 0.3 that the policy says.
fn shown_ratio(part: u64, whole: u64, display: DisplayUnit) -> Option<f64> {
    let scale = if display == DisplayUnit::Percent { 100.0 } else { 1.0 };
    (whole > 0).then(|| as_number(part) * scale / as_number(whole))
}

/// Counts beyond 2^53 lose their last digits, which no threshold can tell.
fn as_number(count: u64) -> f64 {
    count as f64
}
