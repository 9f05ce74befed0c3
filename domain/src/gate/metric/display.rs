//! The unit of a metric's values, as its section of the policy names it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::DisplayUnit;
use crate::policy::Wrong;
use crate::policy::kind_section::Section;

/// `s`, `ms` or `%`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
pub enum Display {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Percent.
    #[serde(rename = "%")]
    Percent,
}

impl Display {
    /// The unit of a key `display` that may be missing: then it is a plain number.
    ///
    /// # Errors
    /// It is not among `allowed`; `expected` names those.
    pub fn check(
        section: &Section,
        display: Option<&Self>,
        allowed: &[DisplayUnit],
        expected: &str,
    ) -> Result<DisplayUnit, Wrong> {
        let unit = display.map_or(DisplayUnit::Number, |display| display.unit());
        match display {
            _ if allowed.contains(&unit) => Ok(unit),
            None => Err(section.missing("display")),
            Some(_) => {
                let message = format!("expected {expected}, found `{}`", unit.symbol());
                Err(section.at("display").wrong(message))
            }
        }
    }

    /// The unit of a duration, which has to be named.
    ///
    /// # Errors
    /// It is none of time.
    pub fn of_duration(section: &Section, display: Option<&Self>) -> Result<DisplayUnit, Wrong> {
        let allowed = [DisplayUnit::Seconds, DisplayUnit::Milliseconds];
        Self::check(section, display, &allowed, "`s` or `ms`")
    }

    fn unit(self) -> DisplayUnit {
        match self {
            Self::Seconds => DisplayUnit::Seconds,
            Self::Milliseconds => DisplayUnit::Milliseconds,
            Self::Percent => DisplayUnit::Percent,
        }
    }
}

impl DisplayUnit {
    /// A duration in this unit.
    #[must_use]
    pub fn of_millis(self, millis: f64) -> f64 {
        match self {
            Self::Seconds => millis / 1000.0,
            Self::Milliseconds | Self::Percent | Self::Number => millis,
        }
    }

    /// A value in this unit as a duration.
    #[must_use]
    pub fn to_millis(self, value: f64) -> f64 {
        match self {
            Self::Seconds => value * 1000.0,
            Self::Milliseconds | Self::Percent | Self::Number => value,
        }
    }

    /// A ratio in this unit; none of nothing. The part is scaled before it is divided: 3 of 1000 is then exactly the 0.3
    /// that the policy says.
    #[must_use]
    pub fn of_ratio(self, part: u64, whole: u64) -> Option<f64> {
        let scale = if self == Self::Percent { 100.0 } else { 1.0 };
        (whole > 0).then(|| super::facts::as_number(part) * scale / super::facts::as_number(whole))
    }
}
