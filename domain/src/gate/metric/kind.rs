//! A kind of metric: what it reads of the policy, which events it needs, and the value it makes of them.

use std::any::Any;
use std::time::Duration;

use schemars::{Schema, SchemaGenerator};
use shared_types::Window;
use shared_types::decision::{Between, Direction, HistoryValue, Sessions};

use super::facts::Facts;
use crate::chosen::{Chosen, Settings};
use crate::gate::evidence::{Counts, Limit};
use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::Section;
use events::EventSpec;

/// A kind of metric, as the policy names it.
#[derive(Debug, Clone, Copy)]
pub struct MetricKind {
    /// The key by which its section is told from others: `quantile`.
    pub key: &'static str,
    /// Its section in the schema and the documentation.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Reads and checks its section; told the length of a window.
    pub read: fn(&Section, Duration) -> Result<Shown, Wrong>,
    /// A section of it, as YAML in one line.
    pub example: &'static str,
    /// Whether it has attempts, which can be held beside those of a control group.
    pub has_attempts: bool,
}

/// A metric, and the unit its values are shown in.
pub type Shown = (Chosen<dyn Metric>, DisplayUnit);

/// The side that a key `at_least` says is the good one.
pub(super) fn good_side(at_least: Option<bool>) -> Direction {
    if at_least == Some(true) { Direction::AtLeast } else { Direction::AtMost }
}

/// A metric with its settings.
pub trait Metric: Settings {
    /// The events it is made from, and what each must carry.
    fn needs(&self) -> Vec<EventSpec>;

    /// Its value in a window, and what that stands on. Without what it is made from there is no value.
    fn observe(&self, facts: &Facts<'_>) -> Observation;

    /// What it is made from, in a few words of Markdown.
    fn words(&self) -> String;

    /// The side of a threshold that is compliant.
    fn direction(&self) -> Direction {
        Direction::AtMost
    }

    /// How far back it looks, if it looks at windows that were before.
    fn look_back(&self) -> Option<Duration> {
        None
    }

    /// The events that together are the whole of which it takes a part; each of them is then one attempt (SLO-6).
    fn whole(&self) -> &[String] {
        &[]
    }

    /// Whether it says something of a window of that length; if not, the decision leaves it out.
    fn is_judged_in(&self, _window: Window) -> bool {
        true
    }

    /// The number of the source that it is, by its name there; `None` for what is made from events.
    fn number(&self) -> Option<&str> {
        None
    }

    /// Whether counters alone make its value, so that it can be made again where distributions are no longer kept.
    fn is_counted(&self) -> bool {
        self.needs().iter().all(|event| event.duration_field.is_none())
    }

    /// The share of attempts that may be bad under a threshold in the unit `display`; `None` for a metric without attempts.
    fn limit(&self, _threshold: f64, _display: DisplayUnit) -> Option<Limit> {
        None
    }

    /// Attempts of the window, and how many were bad under the threshold (JU-1); `None` without what it is made from.
    fn counts(&self, _threshold: f64, _facts: &Facts<'_>) -> Option<Counts> {
        None
    }

    /// Attempts of the window besides those that are bad which may be bad too: known by bounds on both sides of the threshold.
    fn unresolved(&self, _threshold: f64, _facts: &Facts<'_>) -> u64 {
        0
    }

    /// The same of the events of one `variant`, which are [counted apart](in_variant); `None` for a metric that cannot be told
    /// apart by them.
    fn of_variant(&self, _variant: &str) -> Option<Chosen<dyn Metric>> {
        None
    }

    /// Whose the bad attempts are, by session; `None` where events carry none, or a kind does not ask.
    fn sessions(&self, _facts: &Facts<'_>) -> Option<Sessions> {
        None
    }

    /// For a metric without attempts: windows in a row that have to be beyond the threshold until it is a violation (JU-16).
    fn windows_to_violate(&self) -> u64 {
        3
    }

    /// Its value for a window that did not come, so many milliseconds after its end.
    fn observe_missing(&self, _elapsed_ms: u64, _display: DisplayUnit) -> Option<f64> {
        None
    }
}

impl PartialEq for dyn Metric {
    fn eq(&self, other: &Self) -> bool {
        self.same_as(other as &dyn Any)
    }
}

impl dyn Metric {
    /// Its settings, if it is of that kind: for whoever counts by other means.
    #[must_use]
    pub fn of_kind<T: Metric>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

/// What a window says of one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// In the unit it is shown in.
    pub value: Option<f64>,
    /// In the same unit: its bounds, where no more of it is known.
    pub between: Option<Between>,
    /// Events it stands on, for the metrics that need a minimum (SLO-6).
    pub samples: Option<u64>,
    /// The earlier values it stands on, oldest first.
    pub history: Vec<HistoryValue>,
}

impl Observation {
    /// The value, or as much as it may be.
    #[must_use]
    pub fn at_most(&self) -> Option<f64> {
        self.value.or_else(|| self.between.map(|it| it.upper.unwrap_or(f64::INFINITY)))
    }
}
