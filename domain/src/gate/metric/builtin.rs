//! What the collector knows of itself: how long a batch took.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::facts::as_number;
use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, schema_of};
use events::EventSpec;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "builtin",
    schema: schema_of::<RawBuiltinMetric>,
    read,
    example: "{ builtin: collector_latency, display: s }",
    has_attempts: false,
};

/// A figure the collector has of itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawBuiltinMetric {
    /// A figure the collector has of itself.
    #[allow(dead_code, reason = "there is one figure, and reading it checks its name")]
    builtin: RawBuiltin,
    /// The unit of thresholds and messages: `s` or `ms`.
    display: Display,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawBuiltin {
    /// Time from a window's end to its complete batch.
    CollectorLatency,
}

/// Time from a window's end to its complete batch, without that of a pause (CO-10). Of a window that did not come: the time
/// since its end (SLO-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorLatency;

fn read(section: &Section, _window: Duration) -> Result<Shown, Wrong> {
    let raw: RawBuiltinMetric = section.read()?;
    let display = Display::of_duration(section, Some(&raw.display))?;
    Ok((Chosen(Arc::new(CollectorLatency)), display))
}

impl Metric for CollectorLatency {
    fn needs(&self) -> Vec<EventSpec> {
        Vec::new()
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let latency = facts.collector_latency_ms;
        let value = latency.map(|millis| facts.display.of_millis(as_number(millis)));
        Observation { value, ..Observation::default() }
    }

    fn words(&self) -> String {
        "batch complete − window end".to_owned()
    }

    fn is_counted(&self) -> bool {
        false
    }

    fn observe_missing(&self, elapsed_ms: u64, display: DisplayUnit) -> Option<f64> {
        Some(display.of_millis(as_number(elapsed_ms)))
    }
}
