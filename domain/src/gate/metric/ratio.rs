//! One event's count in relation to that of others: a share of the whole it is part of, or so many for each of them.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::decision::Direction;

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
    /// The events that together make the whole. If `ratio` is none of them it is a rate, so many for each of them, which may
    /// exceed 100%.
    to: Vec<Text>,
    /// `true`: the share has to be reached, `99.9%` of all payments; what is missing to 100% is then what may be bad.
    /// Default `false`: it may not be exceeded.
    at_least: Option<bool>,
    /// The unit of thresholds and messages: `%`; without it a plain number. With `at_least` it is `%`.
    display: Option<Display>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    pub of: String,
    /// If it does not hold `of`, the ratio is a rate and may exceed 1.
    pub to: Vec<String>,
    /// A share that has to be reached is one of these: `AtLeast` has `of` in `to`, and is shown in per cent.
    pub direction: Direction,
}

impl Ratio {
    fn is_share(&self) -> bool {
        self.to.contains(&self.of)
    }
}

fn read(section: &Section, _window: Duration) -> Result<Shown, Wrong> {
    let raw: RawRatioMetric = section.read()?;
    let of = section.text("ratio", &raw.ratio)?;
    let to = section.texts("to", &raw.to)?;
    if to.is_empty() {
        return Err(section.at("to").wrong("expected at least one event"));
    }
    let display = raw.display.as_ref();
    let (direction, display) = if raw.at_least == Some(true) {
        // Else nobody knows how many were bad.
        if !to.contains(&of) {
            let message = format!("expected `{of}` among the events of the whole");
            return Err(section.at("to").wrong(message));
        }
        (Direction::AtLeast, Display::check(section, display, &[DisplayUnit::Percent], "`%`")?)
    } else {
        let allowed = [DisplayUnit::Percent, DisplayUnit::Number];
        let expected = "`%`, or none for a plain number";
        (Direction::AtMost, Display::check(section, display, &allowed, expected)?)
    };
    Ok((Chosen(Arc::new(Ratio { of, to, direction })), display))
}

impl Metric for Ratio {
    fn needs(&self) -> Vec<EventSpec> {
        let whole = self.to.iter().map(|event| EventSpec::counted(event));
        // What is a bad part of a whole is an error, and carries what errors carry.
        let of = if self.is_share() && self.direction == Direction::AtMost {
            EventSpec::failure(&self.of, &self.to)
        } else {
            EventSpec::counted(&self.of)
        };
        std::iter::once(of).chain(whole).collect()
    }

    fn observe(&self, facts: &Facts<'_>) -> Observation {
        let whole = facts.total(&self.to);
        let value = facts.display.of_ratio(facts.count(&self.of), whole);
        Observation { value, samples: Some(whole), ..Observation::default() }
    }

    fn limit(&self, threshold: f64, display: DisplayUnit) -> Option<Limit> {
        let shift = if display == DisplayUnit::Percent { 2 } else { 0 };
        let limit = Share::of(threshold, shift).ok()?;
        match self.direction {
            Direction::AtMost if self.is_share() => Some(Limit::Share(limit)),
            Direction::AtMost => Some(Limit::Rate(limit)),
            Direction::AtLeast => limit.rest().map(Limit::Share),
        }
    }

    fn counts(&self, _threshold: f64, facts: &Facts<'_>) -> Option<Counts> {
        let (of, attempts) = (facts.count(&self.of), facts.total(&self.to));
        let bad = match self.direction {
            Direction::AtMost => of,
            Direction::AtLeast => attempts.saturating_sub(of),
        };
        Some(Counts { bad, attempts })
    }

    fn of_variant(&self, variant: &str) -> Option<Chosen<dyn Metric>> {
        let to = self.to.iter().map(|event| in_variant(event, variant)).collect();
        Some(Chosen(Arc::new(Self { of: in_variant(&self.of, variant), to, direction: self.direction })))
    }

    fn sessions(&self, facts: &Facts<'_>) -> Option<Sessions> {
        facts.sessions(&self.of).filter(|_| self.direction == Direction::AtMost)
    }

    fn words(&self) -> String {
        let whole: Vec<String> = self.to.iter().map(|event| format!("`{event}`")).collect();
        format!("`{}` ÷ ({}), a batch", self.of, whole.join(" + "))
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn whole(&self) -> &[String] {
        if self.is_share() { &self.to } else { &[] }
    }
}
