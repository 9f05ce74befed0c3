//! A number that the source gives of a window, of whatever it is: a saturation, a success rate that is computed elsewhere.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::decision::Direction;

use super::kind::good_side;
use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};
use events::EventSpec;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "value",
    schema: schema_of::<RawValue>,
    read,
    example: "{ value: success_rate, at_least: true, display: \"%\" }",
    // Nobody knows how many attempts a number stands on.
    has_attempts: false,
};

/// A number of the source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawValue {
    /// One of the source's `values`.
    value: Text,
    /// `true`: it has to be at least the threshold. Default `false`: at most.
    at_least: Option<bool>,
    /// The unit that the source gives it in, `s`, `ms` or `%`; none for a plain number. Nothing is converted: with `%` the source
    /// gives 99.5 and not 0.995.
    display: Option<Display>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// By its name in the source.
    pub of: String,
    pub direction: Direction,
}

fn read(section: &Section, _window: Duration) -> Result<Shown, Wrong> {
    let raw: RawValue = section.read()?;
    let of = section.text("value", &raw.value)?;
    let direction = good_side(raw.at_least);
    let allowed =
        [DisplayUnit::Number, DisplayUnit::Seconds, DisplayUnit::Milliseconds, DisplayUnit::Percent];
    let display = Display::check(section, raw.display.as_ref(), &allowed, "`s`, `ms`, `%` or none")?;
    Ok((Chosen(Arc::new(Value { of, direction })), display))
}

impl Metric for Value {
    fn needs(&self) -> Vec<EventSpec> {
        Vec::new()
    }

    fn number(&self) -> Option<&str> {
        Some(&self.of)
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let value = facts.values.and_then(|values| values.get(&self.of)).copied();
        Observation { value, ..Observation::default() }
    }

    fn words(&self) -> String {
        format!("`{}`, as the source gives it, a batch", self.of)
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn is_counted(&self) -> bool {
        false
    }
}
