//! What passes between a service and a supervisor. Pure.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Until when a command may run. Told at the start, and again whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Then its end begins.
    pub end: Moment,
    /// Then nothing of it may be left, whatever its grace.
    pub over: Moment,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.end, self.over)
    }
}

impl FromStr for Bounds {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (end, over) = text.split_once(',').ok_or(())?;
        Ok(Self { end: end.parse().map_err(drop)?, over: over.parse().map_err(drop)? })
    }
}

/// What a supervisor is started with, as arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) bounds: Bounds,
    /// Between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
    /// The command's soft limit of file descriptors; `None`: as the supervisor's. Programs that use `select` or close all that
    /// could be open are not made for the one that services raise theirs to.
    pub(super) descriptors: Option<u64>,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Order {
    pub(super) fn write(
        bounds: Bounds,
        grace: Duration,
        descriptors: Option<u64>,
        words: &[String],
    ) -> impl Iterator<Item = OsString> {
        let descriptors = descriptors.map_or_else(String::new, |number| number.to_string());
        let own = [bounds.to_string(), grace.as_millis().to_string(), descriptors];
        own.into_iter().chain(words.iter().cloned()).map(OsString::from)
    }

    pub(super) fn read(told: &[OsString]) -> Option<Self> {
        let [bounds, grace, descriptors, program, arguments @ ..] = told else { return None };
        let descriptors = match descriptors.to_str()? {
            "" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self {
            descriptors,
            bounds: bounds.to_str()?.parse().ok()?,
            grace: Duration::from_millis(grace.to_str()?.parse().ok()?),
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }
}

/// What a supervisor says at the end, when nothing is left of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub how: How,
    pub why: Why,
}

/// How the command itself ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Exited(i32),
    Signalled(i32),
    /// It never ran.
    NotStarted(String),
}

/// What began its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It had ended by itself.
    Itself,
    /// Its time was over.
    Time,
    /// The service said so, or is gone.
    Told,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let bounds = Bounds { end: "1500".parse().unwrap(), over: "2500".parse().unwrap() };
        let words = ["flags", "set", "", "--x=$y"].map(str::to_owned);
        for descriptors in [None, Some(1024)] {
            let grace = Duration::from_millis(300);
            let told: Vec<OsString> = Order::write(bounds, grace, descriptors, &words).collect();
            let order = Order::read(&told).unwrap();
            assert_eq!((order.bounds, order.grace, order.descriptors), (bounds, grace, descriptors));
            assert_eq!((order.program.to_str().unwrap(), order.arguments.len()), ("flags", 3));
        }
        let told: Vec<OsString> = Order::write(bounds, Duration::ZERO, None, &words).collect();
        for wrong in [&told[..3], &told[1..], &[]] {
            assert_eq!(Order::read(wrong), None);
        }
    }
}
