//! Two versions of the policy held beside each other, in words a reviewer reads (PO-1). Pure.
//!
//! Each change says whether it makes protection stricter or looser; what loosens is what a reviewer must not miss.
//! Structs are taken apart field by field, so that one that is added cannot be forgotten here.

mod target;

#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

use super::units::format_duration;
use super::{Policy, Retention};

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

/// All changes from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// `sha256:<hex>`.
    pub old: String,
    pub new: String,
    /// In the order of the file.
    pub changes: Vec<Difference>,
}

impl Policy {
    /// What `newer` changes.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> PolicyDiff {
        let mut list = Changes::default();
        for (name, target) in &newer.targets {
            match self.targets.get(name) {
                Some(old) => target::compare(name.as_str(), old, target, &mut list),
                None => list.add(name, "the target is new", Effect::Other),
            }
        }
        for name in self.targets.keys().filter(|name| !newer.targets.contains_key(*name)) {
            list.add(name, "the target is left out: it is not collected or guarded any more", Effect::Looser);
        }
        retention(self.retention, newer.retention, &mut list);
        PolicyDiff { old: self.version.clone(), new: newer.version.clone(), changes: list.0 }
    }
}

impl PolicyDiff {
    /// Nothing that means anything is different.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }

    /// Those that make protection looser.
    pub fn loosening(&self) -> impl Iterator<Item = &Difference> {
        self.changes.iter().filter(|it| it.effect == Effect::Looser)
    }
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

impl Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.old == self.new {
            return writeln!(f, "the same policy: {}", self.old);
        }
        writeln!(f, "{} → {}", short(&self.old), short(&self.new))?;
        if self.is_same() {
            return writeln!(f, "they say the same; only comments or layout differ");
        }
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        match self.loosening().count() {
            0 => writeln!(f, "nothing loosens protection"),
            1 => writeln!(f, "1 change loosens protection"),
            more => writeln!(f, "{more} changes loosen protection"),
        }
    }
}

fn short(version: &str) -> &str {
    version.get(..19).unwrap_or(version)
}

fn retention(old: Retention, new: Retention, list: &mut Changes) {
    let Retention { batches, decisions, notifications, audit } = new;
    let rows = [
        ("batches", old.batches, batches, Effect::Other),
        ("decisions", old.decisions, decisions, Effect::Other),
        ("notifications", old.notifications, notifications, Effect::Other),
        ("audit", old.audit, audit, Effect::Looser),
    ];
    for (name, old, new, if_shorter) in rows {
        if old == new {
            continue;
        }
        let shorter = new.is_some_and(|new| old.is_none_or(|old| new < old));
        let effect = if shorter { if_shorter } else { Effect::Other };
        list.add("retention", format!("{name} {} → {}", kept(old), kept(new)), effect);
    }
}

fn kept(time: Option<Duration>) -> String {
    time.map_or_else(|| "forever".to_owned(), format_duration)
}

/// The changes found so far.
#[derive(Debug, Default)]
struct Changes(Vec<Difference>);

impl Changes {
    fn add(&mut self, place: impl Display, change: impl Into<String>, effect: Effect) {
        self.0.push(Difference { place: place.to_string(), change: change.into(), effect });
    }

    /// `name old → new`, if they differ.
    fn text(&mut self, place: &str, name: &str, old: &str, new: &str) {
        if old != new {
            self.add(place, format!("{name} {old} → {new}"), Effect::Other);
        }
    }

    /// A quantity of which more is looser.
    fn more_is_looser<T>(&mut self, place: &str, name: &str, old: T, new: T, show: impl Fn(T) -> String)
    where
        T: Copy + PartialOrd,
    {
        if old != new {
            let effect = if new > old { Effect::Looser } else { Effect::Stricter };
            self.add(place, format!("{name} {} → {}", show(old), show(new)), effect);
        }
    }

    /// A quantity of which less is looser.
    fn less_is_looser<T>(&mut self, place: &str, name: &str, old: T, new: T, show: impl Fn(T) -> String)
    where
        T: Copy + PartialOrd,
    {
        if old != new {
            let effect = if new < old { Effect::Looser } else { Effect::Stricter };
            self.add(place, format!("{name} {} → {}", show(old), show(new)), effect);
        }
    }

    /// A quantity that is only different.
    fn time(&mut self, place: &str, name: &str, old: Duration, new: Duration) {
        self.text(place, name, &format_duration(old), &format_duration(new));
    }

    /// Members of a set of which each asks for something.
    fn asked(&mut self, place: &str, name: &str, old: &[String], new: &[String]) {
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
