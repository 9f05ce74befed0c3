//! Judges a whole run from outside: what the flag system and the vendors saw, against what Phasegate says of it. Pure.
//!
//! An attempt has one of three outcomes: done, not done, or unknown (no answer came, or whoever tried is gone). Only an
//! unknown one may have left a second copy, and it must be marked as such; everything else is done exactly once.

mod judge;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

pub use judge::{Findings, judge};

/// What is known of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    NotDone,
    /// It may have been done.
    Unknown,
}

/// A move of the flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub from: String,
    pub to: String,
}

impl Move {
    #[must_use]
    pub fn new(from: &str, to: &str) -> Self {
        Self { from: from.to_owned(), to: to.to_owned() }
    }
}

/// Something that was to be told once, and what Phasegate wrote down of its attempts.
#[derive(Debug, Clone)]
pub struct Notification {
    pub id: String,
    /// `incident`, `rollback`, `page`, …
    pub kind: String,
    /// A Slack channel, `pagerduty` or `runbook`.
    pub channel: String,
    pub text: String,
    pub incident: Option<String>,
    pub attempts: Vec<Outcome>,
}

impl Notification {
    /// How many copies may be at the receiver.
    #[must_use]
    pub fn copies(&self) -> RangeInclusive<usize> {
        let count = |wanted| self.attempts.iter().filter(|it| **it == wanted).count();
        let done = count(Outcome::Done);
        done..=done + count(Outcome::Unknown)
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.attempts.contains(&Outcome::Done)
    }
}

/// What Phasegate says of an incident once everything has settled.
#[derive(Debug, Clone)]
pub struct Incident {
    pub id: String,
    /// In which it opened.
    pub epoch: u64,
    /// The epochs of all decisions that belong to it, this one included.
    pub covers: BTreeSet<u64>,
    /// The rollbacks that it says were done, in their order.
    pub rollbacks: Vec<Move>,
}

/// An event that PagerDuty took.
#[derive(Debug, Clone)]
pub struct PageEvent {
    /// `trigger`, `resolve`
    pub action: String,
    pub dedup_key: String,
    /// Empty but for a trigger.
    pub summary: String,
}

/// All of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The target's phases from below.
    pub phases: Vec<String>,
    /// Oldest first.
    pub incidents: Vec<Incident>,
    pub notifications: Vec<Notification>,
    /// Epochs of the violating decisions that the analyzer made.
    pub violating_epochs: BTreeSet<u64>,
    /// The flag's journal.
    pub moves: Vec<Move>,
    /// Channel and text of what is in Slack.
    pub messages: Vec<(String, String)>,
    /// In the order in which PagerDuty took them.
    pub page_events: Vec<PageEvent>,
    /// The ids of the runbook log's whole lines.
    pub runbook: Vec<String>,
}
