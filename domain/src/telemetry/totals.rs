//! What was counted in one window, by name: mergeable, serialisable, and turned into a [`Batch`] at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stored::Document;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use shared_types::batch::{Distribution, Intake};
use shared_types::{Batch, Epoch, Histogram, PhaseId, TargetName, Timestamp, Window, batch};

use events::EventSpecs;
use events::records::{CODES_MAX, OTHER_CODE};

/// Counts per value of a field.
pub type Breakdown = BTreeMap<String, u64>;

/// One window's counts, so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub counters: BTreeMap<String, u64>,
    pub distributions: BTreeMap<String, Durations>,
    /// By event name, then field, then value.
    pub breakdowns: BTreeMap<String, BTreeMap<String, Breakdown>>,
    pub intake: Intake,
}

/// A histogram that is stored as its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations(pub Histogram);

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.encode())
    }
}

impl<'de> Deserialize<'de> for Durations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Histogram::decode(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Everything about a batch that was not counted.
#[derive(Debug, Clone)]
pub struct BatchHead {
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub window: Window,
    pub next_window: Option<Window>,
    pub attempts: u32,
    pub source: &'static str,
    pub collected_at: Timestamp,
    /// Since the window's end, so long it was not to be closed: that is nobody's latency (CO-10).
    pub paused: Duration,
    /// The version of the policy that the window was counted by.
    pub policy_version: Option<String>,
}

impl Document for Totals {
    const KIND: &'static str = "window counts";
}

impl Totals {
    /// Adds what was counted besides. Values of a breakdown beyond the bound go under `other`.
    pub fn merge(&mut self, more: &Self) {
        for (name, count) in &more.counters {
            *self.counters.entry(name.clone()).or_default() += count;
        }
        for (name, durations) in &more.distributions {
            self.distributions.entry(name.clone()).or_default().0.merge(&durations.0);
        }
        for (name, fields) in &more.breakdowns {
            let ours = self.breakdowns.entry(name.clone()).or_default();
            for (field, values) in fields {
                let ours = ours.entry(field.clone()).or_default();
                values.iter().for_each(|(value, count)| add_label(ours, value, *count));
            }
        }
        self.intake.malformed += more.intake.malformed;
        self.intake.late += more.intake.late;
        self.intake.duplicates += more.intake.duplicates;
        self.intake.unknown += more.intake.unknown;
    }

    /// The batch (CO-2); every name of the policy is there, with 0 if none came. What was counted besides, for another
    /// version of the policy, is unknown to this one.
    #[must_use]
    pub fn into_batch(mut self, head: BatchHead, specs: &EventSpecs) -> Batch {
        self.keep_only(specs);
        let mut counters = self.counters;
        for spec in specs.all() {
            counters.entry(spec.name.clone()).or_default();
        }
        let distributions = self
            .distributions
            .into_iter()
            .filter_map(|(name, durations)| Some((name, distribution(&durations.0)?)))
            .collect();
        let taken = head.collected_at.since(head.window.end).saturating_sub(head.paused);
        let latency = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
        Batch {
            schema: batch::SCHEMA.to_owned(),
            target: head.target,
            phase: head.phase,
            epoch: head.epoch,
            window: head.window,
            counters,
            distributions,
            breakdowns: self.breakdowns,
            intake: self.intake,
            collector_latency_ms: latency,
            attempts: head.attempts,
            source: head.source.to_owned(),
            collected_at: head.collected_at,
            next_window: head.next_window,
            policy_version: head.policy_version,
        }
    }

    fn keep_only(&mut self, specs: &EventSpecs) {
        let of = |name: &String| specs.find(name).and_then(|index| specs.get(index));
        let mut unknown: u64 = 0;
        self.counters.retain(|name, count| {
            let known = of(name).is_some();
            unknown += if known { 0 } else { *count };
            known
        });
        self.intake.unknown += unknown;
        self.distributions.retain(|name, _| of(name).is_some_and(|spec| spec.duration_field.is_some()));
        self.breakdowns.retain(|name, _| of(name).is_some_and(|spec| spec.error));
    }
}

/// Counts under `value`, or under `other` when the field has as many values as it may.
pub fn add_label(values: &mut Breakdown, value: &str, count: u64) {
    if let Some(known) = values.get_mut(value) {
        *known += count;
        return;
    }
    let value = if values.len() < CODES_MAX { value } else { OTHER_CODE };
    *values.entry(value.to_owned()).or_default() += count;
}

fn distribution(histogram: &Histogram) -> Option<Distribution> {
    Some(Distribution {
        unit: "ms".to_owned(),
        count: histogram.count(),
        p50: histogram.quantile(0.50)?,
        p95: histogram.quantile(0.95)?,
        p99: histogram.quantile(0.99)?,
        max: histogram.max()?,
        histogram: histogram.encode(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beyond_the_bound_go_under_other_also_when_merged() {
        let mut values = Breakdown::new();
        (0..150).for_each(|n| add_label(&mut values, &format!("E{n}"), 1));
        assert_eq!((values.len(), values[OTHER_CODE]), (CODES_MAX + 1, 50));
        let totals = Totals {
            breakdowns: BTreeMap::from([("fail".into(), BTreeMap::from([("code".into(), values)]))]),
            ..Totals::default()
        };
        let mut merged = totals.clone();
        merged.merge(&totals);
        assert_eq!(merged.breakdowns["fail"]["code"].values().sum::<u64>(), 300);
        assert_eq!(merged.breakdowns["fail"]["code"].len(), CODES_MAX + 1);
    }

    #[test]
    fn totals_survive_being_stored() {
        let mut totals = Totals::default();
        totals.counters.insert("save".into(), 2);
        totals.distributions.entry("save".into()).or_default().0.record(640.2);
        let stored = serde_json::to_string(&totals).unwrap();
        assert_eq!(serde_json::from_str::<Totals>(&stored).unwrap(), totals);
    }
}
