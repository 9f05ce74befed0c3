//! A window, as far as metrics are made from it, and what they need of those before.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_types::decision::{HistoryValue, Sessions};
use shared_types::{Batch, Buckets, Epoch, Histogram, Window};

use super::Metric;
use crate::policy::DisplayUnit;

/// What a metric that looks back needs of a batch that was before.
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

/// Occurrences by event, field and value, as a batch has them.
type Breakdowns = BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>;

/// All that one metric may look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The policy's name of the metric.
    pub metric: &'a str,
    /// The unit its values are shown in.
    pub display: DisplayUnit,
    pub epoch: Epoch,
    pub window: Window,
    pub counters: &'a BTreeMap<String, u64>,
    /// By event; `None` where only counters are kept.
    pub histograms: Option<&'a BTreeMap<String, Histogram>>,
    /// By event, of those whose durations are known by bounds only; `None` where only counters are kept.
    pub buckets: Option<&'a BTreeMap<String, Buckets>>,
    /// By event, field and value; `None` where only counters are kept.
    pub breakdowns: Option<&'a Breakdowns>,
    /// Numbers of the source by name; `None` where only counters are kept.
    pub values: Option<&'a BTreeMap<String, f64>>,
    /// `None` where only counters are kept.
    pub collector_latency_ms: Option<u64>,
    /// Of any epoch and time, in no order.
    pub earlier: &'a [EarlierBatch],
    /// All metrics of the policy.
    pub siblings: &'a [&'a dyn Metric],
}

impl Facts<'_> {
    /// How often an event occurred.
    #[must_use]
    pub fn count(&self, event: &str) -> u64 {
        self.counters.get(event).copied().unwrap_or(0)
    }

    /// How often any of them occurred.
    #[must_use]
    pub fn total(&self, events: &[String]) -> u64 {
        events.iter().fold(0, |sum: u64, event| sum.saturating_add(self.count(event)))
    }

    /// Attempts at an event: the largest whole that a metric of the policy takes a part of and that counts the event (a
    /// save is a save, completed or failed), else the event itself.
    #[must_use]
    pub fn attempts(&self, event: &str) -> u64 {
        let wholes = self.siblings.iter().map(|metric| metric.whole());
        let counting = wholes.filter(|whole| whole.iter().any(|one| one == event));
        counting.map(|whole| self.total(whole)).max().unwrap_or_else(|| self.count(event))
    }

    /// The durations of an event, if any occurred and they are kept.
    #[must_use]
    pub fn histogram(&self, event: &str) -> Option<&Histogram> {
        self.histograms?.get(event)
    }

    /// The bounds of an event's durations, if no more is known of them.
    #[must_use]
    pub fn buckets(&self, event: &str) -> Option<&Buckets> {
        self.buckets?.get(event)
    }

    /// An event's occurrences by session, if any carried one and they are kept (JU-10).
    #[must_use]
    pub fn sessions(&self, event: &str) -> Option<Sessions> {
        let counted = self.breakdowns?.get(event)?.get("session")?;
        let of = |key: &str| counted.get(key).copied();
        let (top, top_attempts) = (of("top")?, of("top_attempts")?);
        Some(Sessions { distinct: of("distinct")?, top, top_attempts, squares: of("squares")? })
    }

    /// Counts of an event in the batches of the same epoch whose end lies inside the look-back, before this window;
    /// oldest first.
    #[must_use]
    pub fn earlier_counts(&self, event: &str, over: Duration) -> Vec<HistoryValue> {
        let since = self.window.end.minus(over);
        let mut values: Vec<HistoryValue> = self
            .earlier
            .iter()
            .filter(|earlier| earlier.epoch == self.epoch)
            .filter(|earlier| earlier.window.start < self.window.start && earlier.window.end > since)
            .filter_map(|earlier| {
                let value = as_number(*earlier.counters.get(event)?);
                Some(HistoryValue { metric: self.metric.to_owned(), window: earlier.window, value })
            })
            .collect();
        values.sort_by_key(|value| value.window);
        values
    }
}

/// Counts beyond 2^53 lose their last digits, which no threshold can tell.
pub(super) fn as_number(count: u64) -> f64 {
    count as f64
}
