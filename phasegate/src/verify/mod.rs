//! The verification checklist (VE-1): six items, each with its figure, over what the services and their files say.
//!
//! `facts` asks; `archive`, `notices` and `trace` judge what was said, without I/O; `report` prints. An item that
//! cannot be looked at is not passed: it fails unless it was skipped by name.

mod archive;
mod count;
mod facts;
mod finding;
mod line;
mod notices;
mod report;
mod trace;

use serde::Serialize;
use shared_types::{TargetName, Timestamp};
use strum::IntoEnumIterator as _;

pub(crate) use facts::{Ask, gather};
pub(crate) use finding::{Finding, Item, Outcome};
pub(crate) use report::{markdown, text};

/// The whole checklist.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) target: TargetName,
    /// Windows that begin at or after this, and before `to`.
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Whether every item is ok or was left out.
    pub(crate) ok: bool,
    pub(crate) items: Vec<Finding>,
}

/// Judges what was gathered.
pub(crate) fn check(facts: &facts::Facts, skip: &[Item]) -> Report {
    let judge = |item: Item| match item {
        _ if skip.contains(&item) => Finding::skipped(item),
        Item::Jsonl => archive::complete(facts),
        Item::Recompute => archive::recomputed(facts),
        Item::Dashboard => count::agrees(facts),
        Item::Drift => archive::drift(facts),
        Item::Notifications => notices::filled(facts),
        Item::Rollbacks => trace::traced(facts),
    };
    let items: Vec<Finding> = Item::iter().map(judge).collect();
    let ok = items.iter().all(|it| matches!(it.outcome, Outcome::Ok | Outcome::Skipped));
    Report { target: facts.target.clone(), from: facts.from, to: facts.to, ok, items }
}

#[cfg(test)]
mod tests;
