//! An event's count, averaged over the batches of a time that ends with the window (SLO-5).

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::facts::as_number;
use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Dur, Section, Text, schema_of};
use crate::story::figures::format_duration;
use events::EventSpec;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "mean",
    schema: schema_of::<RawMean>,
    read,
    example: "{ mean: autosave.history.drift, over: 1h }",
    has_attempts: false,
};

/// A mean over time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawMean {
    /// The event whose number a batch is averaged over the batches of the last `over`.
    mean: Text,
    /// How far back it looks; at least one window.
    over: Dur,
    /// Not for a mean, which is a plain number.
    display: Option<Display>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    pub of: String,
    /// At least one window.
    pub over: Duration,
}

fn read(section: &Section, window: Duration) -> Result<Shown, Wrong> {
    let raw: RawMean = section.read()?;
    let of = section.text("mean", &raw.mean)?;
    let over = section.duration("over", &raw.over)?;
    if over < window {
        let message = format!("expected at least one window, found `{}`", raw.over.0);
        return Err(section.at("over").wrong(message));
    }
    let allowed = [DisplayUnit::Number];
    let display = Display::check(section, raw.display.as_ref(), &allowed, "none: a mean is a plain number")?;
    Ok((Chosen(Arc::new(Mean { of, over })), display))
}

impl Metric for Mean {
    fn needs(&self) -> Vec<EventSpec> {
        vec![EventSpec::counted(&self.of)]
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let history = facts.earlier_counts(&self.of, self.over);
        let sum: f64 = history.iter().map(|value| value.value).sum();
        let value = (sum + as_number(facts.count(&self.of))) / (history.len() as f64 + 1.0);
        Observation { value: Some(value), history, ..Observation::default() }
    }

    fn words(&self) -> String {
        format!("mean of `{}` over the batches of the last {}", self.of, format_duration(self.over))
    }

    fn look_back(&self) -> Option<Duration> {
        Some(self.over)
    }
}
