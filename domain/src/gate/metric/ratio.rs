//! One event's count in relation to those that together make the whole.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::part::{At, Checked, Part, schema_of};
use crate::telemetry::event::EventSpec;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "ratio",
    schema: schema_of::<RawRatioMetric>,
    read,
    example: "{ ratio: autosave.save.error, to: [autosave.save.completed, autosave.save.error], display: \"%\" }",
};

/// The share of one event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRatioMetric {
    /// The event that is counted in relation to those of `to`.
    ratio: At<String>,
    /// The events that together make the whole.
    to: At<Vec<At<String>>>,
    /// The unit of thresholds and messages: `%`; without it a plain number.
    display: Option<At<Display>>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    pub of: String,
    /// Holds `of`: else the ratio could exceed 1.
    pub to: Vec<String>,
}

fn read(part: &Part<'_>, _window: Duration) -> Checked<Shown> {
    let raw: RawRatioMetric = part.read()?;
    let of = part.text("ratio", &raw.ratio)?;
    let to = part.texts("to", &raw.to.value)?;
    if !to.contains(&of) {
        let message = format!("expected `{of}` among the events of the whole");
        return Err(part.wrong_at("to", &raw.to, message));
    }
    let allowed = [DisplayUnit::Percent, DisplayUnit::Number];
    let display = Display::check(part, raw.display.as_ref(), &allowed, "`%`, or none for a plain number")?;
    Ok((Chosen(Arc::new(Ratio { of, to })), display))
}

impl Metric for Ratio {
    fn needs(&self) -> Vec<EventSpec> {
        let whole = self.to.iter().map(|event| EventSpec::counted(event));
        std::iter::once(EventSpec::failure(&self.of)).chain(whole).collect()
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let whole = facts.total(&self.to);
        let value = facts.display.of_ratio(facts.count(&self.of), whole);
        Observation { value, samples: Some(whole), history: Vec::new() }
    }

    fn words(&self) -> String {
        let whole: Vec<String> = self.to.iter().map(|event| format!("`{event}`")).collect();
        format!("`{}` ÷ ({}), a batch", self.of, whole.join(" + "))
    }

    fn whole(&self) -> &[String] {
        &self.to
    }
}
