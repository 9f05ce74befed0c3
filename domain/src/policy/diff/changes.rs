//! One change in words and what it does, the list of them, and what sections add to it with.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::story::figures::format_duration;
use serde::Serialize;
use shared_types::PhaseId;

/// What a change does to the protection of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// More is caught, sooner, or more is asked.
    Stricter,
    /// Less is caught, later, or less is asked.
    Looser,
    /// Neither, or it cannot be said.
    Other,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `autosave phase B`, `autosave`, `retention`.
    pub place: String,
    /// `save_latency_p95 ≤ 2 s → ≤ 1.8 s`.
    pub change: String,
    pub effect: Effect,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = match self.effect {
            Effect::Stricter => " (stricter)",
            Effect::Looser => " (LOOSER)",
            Effect::Other => "",
        };
        write!(f, "{}: {}{note}", self.place, self.change)
    }
}

/// The changes found so far.
#[derive(Debug, Default)]
pub(crate) struct Changes(pub(super) Vec<Difference>);

impl Changes {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, place: impl Display, change: impl Into<String>, effect: Effect) {
        self.0.push(Difference { place: place.to_string(), change: change.into(), effect });
    }

    /// `name old → new`, if they differ.
    pub(crate) fn text(&mut self, place: &str, name: &str, old: &str, new: &str) {
        if old != new {
            self.add(place, format!("{name} {old} → {new}"), Effect::Other);
        }
    }

    /// A quantity of which more is looser.
    pub(crate) fn more_is_looser<T>(
        &mut self,
        place: &str,
        name: &str,
        old: T,
        new: T,
        show: impl Fn(T) -> String,
    ) where
        T: Copy + PartialOrd,
    {
        if old != new {
            let effect = if new > old { Effect::Looser } else { Effect::Stricter };
            self.add(place, format!("{name} {} → {}", show(old), show(new)), effect);
        }
    }

    /// A quantity of which less is looser.
    pub(crate) fn less_is_looser<T>(
        &mut self,
        place: &str,
        name: &str,
        old: T,
        new: T,
        show: impl Fn(T) -> String,
    ) where
        T: Copy + PartialOrd,
    {
        if old != new {
            let effect = if new < old { Effect::Looser } else { Effect::Stricter };
            self.add(place, format!("{name} {} → {}", show(old), show(new)), effect);
        }
    }

    /// A quantity that is only different.
    pub(crate) fn time(&mut self, place: &str, name: &str, old: Duration, new: Duration) {
        self.text(place, name, &format_duration(old), &format_duration(new));
    }

    /// Members of a set of which each asks for something.
    pub(crate) fn asked(&mut self, place: &str, name: &str, old: &[String], new: &[String]) {
        let without = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|it| !other.contains(it)).cloned().collect()
        };
        let (added, removed) = (without(new, old), without(old, new));
        if !added.is_empty() {
            self.add(place, format!("{name}: + {}", added.join(", ")), Effect::Stricter);
        }
        if !removed.is_empty() {
            self.add(place, format!("{name}: − {}", removed.join(", ")), Effect::Looser);
        }
    }
}

/// Waits, as the file lists them.
pub(crate) fn times(times: &[Duration]) -> String {
    let times: Vec<String> = times.iter().map(|time| format_duration(*time)).collect();
    format!("[{}]", times.join(", "))
}

pub(crate) fn phase_names<'a>(phases: impl Iterator<Item = &'a PhaseId>) -> String {
    let names: Vec<&str> = phases.map(PhaseId::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
