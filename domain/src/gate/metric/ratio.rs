//! One event's count in relation to those that together make the whole.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::gate::evidence::{Counts, Limit, Share};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};
use events::{EventSpec, in_variant};
use shared_types::decision::Sessions;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "ratio",
    schema: schema_of::<RawRatioMetric>,
    read,
    example: "{ ratio: autosave.save.error, to: [autosave.save.completed, autosave.save.error], display: \"%\" }",
    has_attempts: true,
};

/// The share of one event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRatioMetric {
    /// The event that is counted in relation to those of `to`.
    ratio: Text,
    /// The events that together make the whole.
    to: Vec<Text>,
    /// The unit of thresholds and messages: `%`; without it a plain number.
    display: Option<Display>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    pub of: String,
    /// Holds `of`: else the ratio could exceed 1.
    pub to: Vec<String>,
}

fn read(section: &Section, _window: Duration) -> Result<Shown, Wrong> {
    let raw: RawRatioMetric = section.read()?;
    let of = section.text("ratio", &raw.ratio)?;
    let to = section.texts("to", &raw.to)?;
    if !to.contains(&of) {
        let message = format!("expected `{of}` among the events of the whole");
        return Err(section.at("to").wrong(message));
    }
    let allowed = [DisplayUnit::Percent, DisplayUnit::Number];
    let display = Display::check(section, raw.display.as_ref(), &allowed, "`%`, or none for a plain number")?;
    Ok((Chosen(Arc::new(Ratio { of, to })), display))
}

impl Metric for Ratio {
    fn needs(&self) -> Vec<EventSpec> {
        let whole = self.to.iter().map(|event| EventSpec::counted(event));
        std::iter::once(EventSpec::failure(&self.of, &self.to)).chain(whole).collect()
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let whole = facts.total(&self.to);
        let value = facts.display.of_ratio(facts.count(&self.of), whole);
        Observation { value, samples: Some(whole), history: Vec::new() }
    }

    fn limit(&self, threshold: f64, display: DisplayUnit) -> Option<Limit> {
        let shift = if display == DisplayUnit::Percent { 2 } else { 0 };
        Share::of(threshold, shift).ok().map(Limit::Share)
    }

    fn counts(&self, _threshold: f64, facts: &Facts<'_>) -> Option<Counts> {
        Some(Counts { bad: facts.count(&self.of), attempts: facts.total(&self.to) })
    }

    fn of_variant(&self, variant: &str) -> Option<Chosen<dyn Metric>> {
        let to = self.to.iter().map(|event| in_variant(event, variant)).collect();
        Some(Chosen(Arc::new(Self { of: in_variant(&self.of, variant), to })))
    }

    fn sessions(&self, facts: &Facts<'_>) -> Option<Sessions> {
        facts.sessions(&self.of)
    }

    fn words(&self) -> String {
        let whole: Vec<String> = self.to.iter().map(|event| format!("`{event}`")).collect();
        format!("`{}` ÷ ({}), a batch", self.of, whole.join(" + "))
    }

    fn whole(&self) -> &[String] {
        &self.to
    }
}
