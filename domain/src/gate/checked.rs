//! A batch that has been checked against its own words and the policy: what the gate takes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::{MetricPolicy, PhasePolicy, TargetPolicy};
use events::EventSpec;
use shared_types::batch::{Distribution, SCHEMA};
use shared_types::{Batch, Epoch, Histogram, PhaseId, Window};

/// A window longer than this is a mistake, not a cadence.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_hours(24);
/// How far a stated quantile may be from its histogram's: the histogram's own resolution (SLO-2).
const QUANTILE_TOLERANCE: f64 = 0.001;

/// Why a batch cannot be judged. The texts name the field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BatchError {
    #[error("schema: expected `{SCHEMA}`, found `{0}`")]
    Schema(String),
    #[error("{field}: {found} is not a window: it must end after it starts and last at most 24 h")]
    Window { field: &'static str, found: Window },
    #[error("next_window: {next} does not follow {window}")]
    NextWindow { window: Window, next: Window },
    #[error("epoch: {0} is larger than any rollout gets")]
    Epoch(u64),
    #[error("phase: the policy has no gated phase `{0}`")]
    Phase(PhaseId),
    #[error(
        "counters.{0}: missing, and the policy's gate needs it; a source that has none says so in `intake.missing`"
    )]
    MissingCounter(String),
    #[error(
        "values.{0}: missing, and the policy's gate needs it; a source that has none says so in `intake.missing`"
    )]
    MissingValue(String),
    #[error("values.{name}: {found} is not a finite number")]
    Value { name: String, found: f64 },
    #[error("distributions.{name}.{field}: {found} is not a finite number of 0 or more")]
    NotANumber { name: String, field: &'static str, found: f64 },
    #[error("distributions.{name}.unit: expected `ms`, found `{found}`")]
    Unit { name: String, found: String },
    #[error("distributions.{name}.count: {count}, but {other} is {found}")]
    Count { name: String, count: u64, other: &'static str, found: u64 },
    #[error("distributions.{name}.{field}: {stated}, but its histogram says {computed}")]
    Quantile { name: String, field: &'static str, stated: f64, computed: f64 },
    #[error("buckets.{0}: its durations are among `distributions` too")]
    Twice(String),
    #[error("buckets.{name}: {count} durations, but the counter is {counter}")]
    Buckets { name: String, count: u64, counter: u64 },
    #[error("distributions.{name}.histogram")]
    Histogram {
        name: String,
        #[source]
        source: shared_types::histogram::HistogramError,
    },
}

/// A batch whose numbers are finite and agree with each other, with its histograms decoded.
#[derive(Debug, Clone)]
pub struct CheckedBatch {
    batch: Batch,
    histograms: BTreeMap<String, Histogram>,
}

impl CheckedBatch {
    /// Checks a batch; the policy says which phases and counters there must be.
    ///
    /// # Errors
    /// [`BatchError`], naming the field.
    pub fn check(batch: Batch, policy: &TargetPolicy) -> Result<Self, BatchError> {
        let checked = Self::check_whoever_counted(batch, policy)?;
        let mut needed = policy.metrics.iter().flat_map(MetricPolicy::needs);
        let Batch { counters, values, intake, .. } = &checked.batch;
        let is_unknown =
            |event: &EventSpec| !counters.contains_key(&event.name) && !intake.is_missing(&event.name);
        if let Some(event) = needed.find(is_unknown) {
            return Err(BatchError::MissingCounter(event.name));
        }
        let mut numbers = policy.metrics.iter().filter_map(|metric| metric.kind.number());
        match numbers.find(|number| !values.contains_key(*number) && !intake.is_missing(number)) {
            Some(number) => Err(BatchError::MissingValue(number.to_owned())),
            None => Ok(checked),
        }
    }

    /// As [`Self::check`], for a batch that was counted by another version of the policy: what that did not ask for
    /// is not known, and no mistake.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_whoever_counted(batch: Batch, policy: &TargetPolicy) -> Result<Self, BatchError> {
        if batch.schema != SCHEMA {
            return Err(BatchError::Schema(batch.schema.chars().take(80).collect()));
        }
        check_windows(&batch)?;
        Self::check_epoch(batch.epoch)?;
        if policy.phase(&batch.phase).is_none() {
            return Err(BatchError::Phase(batch.phase));
        }
        if let Some((name, found)) = batch.values.iter().find(|(_, value)| !value.is_finite()) {
            return Err(BatchError::Value { name: name.clone(), found: *found });
        }
        let counter = |name: &str| batch.counters.get(name).copied().unwrap_or(0);
        for (name, buckets) in &batch.buckets {
            if batch.distributions.contains_key(name) {
                return Err(BatchError::Twice(name.clone()));
            }
            let (count, counter) = (buckets.count(), counter(name));
            if counter < count {
                return Err(BatchError::Buckets { name: name.clone(), count, counter });
            }
        }
        let mut histograms = BTreeMap::new();
        for (name, distribution) in &batch.distributions {
            let counter = counter(name);
            histograms.insert(name.clone(), check_distribution(name, distribution, counter)?);
        }
        Ok(Self { batch, histograms })
    }

    /// Checks a window by itself; `field` is its name in the error.
    ///
    /// # Errors
    /// [`BatchError::Window`].
    pub fn check_window(field: &'static str, window: Window) -> Result<(), BatchError> {
        let length = window.length();
        if length.is_zero() || length > LONGEST_WINDOW {
            return Err(BatchError::Window { field, found: window });
        }
        Ok(())
    }

    /// Checks an epoch by itself: one that no store can hold would make every real one look old.
    ///
    /// # Errors
    /// [`BatchError::Epoch`].
    pub fn check_epoch(epoch: Epoch) -> Result<(), BatchError> {
        if i64::try_from(epoch).is_ok() { Ok(()) } else { Err(BatchError::Epoch(epoch)) }
    }

    /// The batch as it was received.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Gives the batch back.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }

    /// The durations by event name, of those that occurred.
    #[must_use]
    pub fn histograms(&self) -> &BTreeMap<String, Histogram> {
        &self.histograms
    }

    /// Its phase's thresholds.
    #[must_use]
    pub fn phase_policy<'p>(&self, policy: &'p TargetPolicy) -> Option<&'p PhasePolicy> {
        policy.phase(&self.batch.phase)
    }
}

fn check_windows(batch: &Batch) -> Result<(), BatchError> {
    CheckedBatch::check_window("window", batch.window)?;
    if let Some(next) = batch.next_window {
        CheckedBatch::check_window("next_window", next)?;
        // A window far ahead would keep the watch silent until then (SLO-7).
        let gap = next.start.since(batch.window.end);
        if next.start < batch.window.end || gap > LONGEST_WINDOW {
            return Err(BatchError::NextWindow { window: batch.window, next });
        }
    }
    Ok(())
}

fn check_distribution(name: &str, stated: &Distribution, counter: u64) -> Result<Histogram, BatchError> {
    let name = || name.to_owned();
    if stated.unit != "ms" {
        return Err(BatchError::Unit { name: name(), found: stated.unit.chars().take(80).collect() });
    }
    let fields = [("p50", stated.p50), ("p95", stated.p95), ("p99", stated.p99), ("max", stated.max)];
    for (field, found) in fields {
        if !found.is_finite() || found < 0.0 {
            return Err(BatchError::NotANumber { name: name(), field, found });
        }
    }
    let histogram = Histogram::decode(&stated.histogram)
        .map_err(|source| BatchError::Histogram { name: name(), source })?;
    if histogram.count() != stated.count || stated.count == 0 {
        let (count, found) = (stated.count, histogram.count());
        return Err(BatchError::Count { name: name(), count, other: "its histogram's", found });
    }
    if counter < stated.count {
        let count = stated.count;
        return Err(BatchError::Count { name: name(), count, other: "the counter", found: counter });
    }
    for (field, stated, q) in [("p50", stated.p50, 0.5), ("p95", stated.p95, 0.95), ("p99", stated.p99, 0.99)]
    {
        let computed = histogram.quantile(q).unwrap_or(0.0);
        if (stated - computed).abs() > computed * QUANTILE_TOLERANCE {
            return Err(BatchError::Quantile { name: name(), field, stated, computed });
        }
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{COMPLETED, Counts, policy, window};
    use super::*;
    use shared_types::Buckets;

    fn few() -> Buckets {
        let mut few = Buckets::default();
        few.add(0.0, 5.0, 1000);
        few
    }

    fn check(change: impl FnOnce(&mut Batch), expected: &str) {
        let mut batch = Counts::default().batch();
        change(&mut batch);
        let error = CheckedBatch::check(batch, &policy()).unwrap_err();
        assert!(error.to_string().starts_with(expected), "expected `{expected}`, got `{error}`");
    }

    fn saves(batch: &mut Batch) -> &mut Distribution {
        batch.distributions.get_mut(COMPLETED).unwrap()
    }

    /// A batch that contradicts itself or the policy is refused, and the refusal names the field.
    #[test]
    fn contradictions_are_refused_by_field() {
        check(|batch| batch.schema = "phasegate.batch/9".into(), "schema:");
        check(|batch| batch.phase = PhaseId::off(), "phase:");
        check(|batch| batch.phase = PhaseId::parse("Z").unwrap(), "phase:");
        check(|batch| batch.epoch = u64::MAX, "epoch:");
        check(|batch| batch.window.end = batch.window.start, "window:");
        check(|batch| batch.window.end = batch.window.start.plus(LONGEST_WINDOW * 2), "window:");
        check(|batch| batch.next_window = Some(window(0)), "next_window:");
        check(|batch| batch.next_window = Some(window(10_000)), "next_window:");
        check(|batch| _ = batch.counters.remove("autosave.save.error"), "counters.autosave.save.error:");
        check(|batch| _ = batch.values.insert("cpu".into(), f64::INFINITY), "values.cpu:");
        check(
            |batch| _ = batch.buckets.insert(COMPLETED.into(), Buckets::default()),
            "buckets.autosave.save.completed:",
        );
        check(
            |batch| _ = batch.buckets.insert("autosave.save.error".into(), few()),
            "buckets.autosave.save.error:",
        );
        check(|batch| saves(batch).unit = "s".into(), "distributions.autosave.save.completed.unit:");
        check(|batch| saves(batch).p95 = f64::NAN, "distributions.autosave.save.completed.p95:");
        check(|batch| saves(batch).max = f64::INFINITY, "distributions.autosave.save.completed.max:");
        check(|batch| saves(batch).p50 = -1.0, "distributions.autosave.save.completed.p50:");
        check(|batch| saves(batch).p95 *= 1.01, "distributions.autosave.save.completed.p95:");
        check(|batch| saves(batch).count -= 1, "distributions.autosave.save.completed.count:");
        check(
            |batch| saves(batch).histogram = "AAAA".into(),
            "distributions.autosave.save.completed.histogram",
        );
        check(
            |batch| _ = batch.counters.insert(COMPLETED.into(), 999),
            "distributions.autosave.save.completed.count:",
        );
    }

    #[test]
    fn healthy_and_empty_windows_pass() {
        Counts::default().checked();
        Counts { completed: 0, ..Counts::default() }.checked();
    }
}
