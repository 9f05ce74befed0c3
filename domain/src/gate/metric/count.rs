//! How often an event occurs: not too often, or often enough.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::Window;
use shared_types::decision::Direction;

use super::facts::as_number;
use super::kind::good_side;
use super::{Display, Facts, Metric, MetricKind, Observation, Shown};
use crate::gate::evidence::{Counts, Limit, Share};
use crate::kinds::Chosen;
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};
use crate::story::figures::format_duration;
use events::EventSpec;

/// The kind.
pub const KIND: MetricKind = MetricKind {
    key: "count",
    schema: schema_of::<RawCount>,
    read,
    example: "{ count: autosave.app.crash }",
    // Time is no attempt that another group could have made.
    has_attempts: false,
};

/// A number of events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCount {
    /// The event that is counted. The threshold is its number in a window of `collection.window`; in a shorter one it may occur
    /// as often as is in proportion.
    count: Text,
    /// `true`: it has to occur so often, a floor of traffic, which is judged in whole windows only. Default `false`: it may
    /// not occur more often.
    at_least: Option<bool>,
    /// Not for a count, which is a plain number.
    display: Option<Display>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    pub of: String,
    pub direction: Direction,
    /// The length of a whole window, in which the threshold is meant.
    pub window: Duration,
}

fn read(section: &Section, window: Duration) -> Result<Shown, Wrong> {
    let raw: RawCount = section.read()?;
    let of = section.text("count", &raw.count)?;
    let direction = good_side(raw.at_least);
    let allowed = [DisplayUnit::Number];
    let display = Display::check(section, raw.display.as_ref(), &allowed, "none: a count is a plain number")?;
    Ok((Chosen(Arc::new(Count { of, direction, window })), display))
}

impl Metric for Count {
    fn needs(&self) -> Vec<EventSpec> {
        vec![EventSpec::counted(&self.of)]
    }

    /// At the pace of the window, so many in a whole one.
    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let [whole, length] = [self.window, facts.window.length()].map(millis);
        let count = as_number(facts.count(&self.of));
        let value = if length == whole { count } else { count * as_number(whole) / as_number(length.max(1)) };
        Observation { value: Some(value), ..Observation::default() }
    }

    fn words(&self) -> String {
        format!("number of `{}`, a window of {}", self.of, format_duration(self.window))
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    /// JU-16: little traffic in a part of a window says nothing of the whole.
    fn is_judged_in(&self, window: Window) -> bool {
        self.direction == Direction::AtMost || window.length() >= self.window
    }

    /// JU-1: a rate over time. Of a floor there is none: what did not come cannot be counted as bad.
    fn limit(&self, threshold: f64, _display: DisplayUnit) -> Option<Limit> {
        if self.direction == Direction::AtLeast {
            return None;
        }
        Share::of(threshold, 0).ok()?.part(millis(self.window)).map(Limit::OverTime)
    }

    fn counts(&self, _threshold: f64, facts: &Facts<'_>) -> Option<Counts> {
        Some(Counts { bad: facts.count(&self.of), attempts: millis(facts.window.length()) })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
