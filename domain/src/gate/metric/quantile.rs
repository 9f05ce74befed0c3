//! A quantile of a duration that an event carries, by nearest rank (SLO-2).

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::decision::Between;

use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::gate::evidence::{Counts, Limit, Share};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Decimal, Section, Text, schema_of};
use crate::policy::units::parse_number;
use crate::story::figures::format_number;
use events::{EventSpec, in_variant};

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "quantile",
    schema: schema_of::<RawQuantile>,
    read,
    example: "{ quantile: 0.95, of: autosave.save.completed, field: duration_ms, display: s }",
    has_attempts: true,
};

/// A quantile of a duration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawQuantile {
    /// Which quantile of a duration, such as 0.95, by nearest rank.
    quantile: Decimal,
    /// The event whose duration is meant.
    of: Text,
    /// The event's field with the duration in milliseconds; its name ends in `_ms`.
    field: Text,
    /// The unit of thresholds and messages: `s` or `ms`.
    display: Display,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantile {
    /// 0 < q ≤ 1.
    pub q: f64,
    pub of: String,
    pub field: String,
}

fn read(section: &Section, _window: Duration) -> Result<Shown, Wrong> {
    let raw: RawQuantile = section.read()?;
    let written = &raw.quantile.0;
    let q = parse_number(written).filter(|q| *q > 0.0 && *q <= 1.0).ok_or_else(|| {
        let message = format!("expected a number above 0 and at most 1, such as 0.95, found `{written}`");
        section.at("quantile").wrong(message)
    })?;
    let of = section.text("of", &raw.of)?;
    let field = section.text("field", &raw.field)?;
    if !field.ends_with("_ms") {
        let message = format!("expected a field in milliseconds, its name ending in `_ms`, found `{field}`");
        return Err(section.at("field").wrong(message));
    }
    let display = Display::of_duration(section, Some(&raw.display))?;
    Ok((Chosen(Arc::new(Quantile { q, of, field })), display))
}

impl Metric for Quantile {
    fn needs(&self) -> Vec<EventSpec> {
        vec![EventSpec::timed(&self.of, &self.field)]
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let shown = |millis| facts.display.of_millis(millis);
        let millis = facts.histogram(&self.of).and_then(|histogram| histogram.quantile(self.q));
        let between = facts.buckets(&self.of).and_then(|buckets| buckets.between(self.q));
        let between = between.map(|(lower, upper)| Between {
            lower: shown(lower),
            upper: upper.is_finite().then(|| shown(upper)),
        });
        let samples = Some(facts.attempts(&self.of));
        Observation { value: millis.map(shown), between, samples, ..Observation::default() }
    }

    fn limit(&self, _threshold: f64, _display: DisplayUnit) -> Option<Limit> {
        Share::of(self.q, 0).ok()?.rest().map(Limit::Share)
    }

    /// Bad are the values above the threshold, by the lower bound of their bucket as the quantile is: then "more are bad than
    /// may be" says the same as "the quantile is above the threshold". Of what is known by bounds only, those that surely are.
    fn counts(&self, threshold: f64, facts: &Facts<'_>) -> Option<Counts> {
        if let Some(buckets) = facts.buckets(&self.of) {
            let bad = buckets.surely_above(facts.display.to_millis(threshold));
            return Some(Counts { bad, attempts: buckets.count() });
        }
        let Some(histogram) = facts.histogram(&self.of) else {
            // Where distributions are kept and there is none, the event did not occur.
            return facts.histograms.map(|_| Counts::default());
        };
        let bad = histogram.count_where(|millis| facts.display.of_millis(millis) > threshold);
        Some(Counts { bad, attempts: histogram.count() })
    }

    fn unresolved(&self, threshold: f64, facts: &Facts<'_>) -> u64 {
        let limit = facts.display.to_millis(threshold);
        facts.buckets(&self.of).map_or(0, |it| it.possibly_above(limit) - it.surely_above(limit))
    }

    fn of_variant(&self, variant: &str) -> Option<Chosen<dyn Metric>> {
        Some(Chosen(Arc::new(Self { of: in_variant(&self.of, variant), ..self.clone() })))
    }

    fn words(&self) -> String {
        let Self { q, of, field } = self;
        format!("p{} of `{field}` of `{of}`, a batch", format_number(Some(q * 100.0)))
    }
}
