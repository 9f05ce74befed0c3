//! How one rollout went by one rule; in the form in which `corpus/evaluate.py` says it, so that both are counted alike.

use serde::{Deserialize, Serialize};

use crate::corpus::Kind;

/// A rollback that a rule decided on: the window, the phase it left, and whether the version was worse than what it replaces.
pub type Rollback = (usize, i32, bool);
/// From a window on in another phase (-1: off), and why.
pub type Move = (usize, i32, Option<i32>, String);

#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Row {
    pub id: String,
    #[serde(rename = "cls")]
    pub class: String,
    pub kind: Kind,
    /// Rollbacks of what broke no limit, and of what did.
    #[serde(rename = "false")]
    pub wrong: Vec<Rollback>,
    #[serde(rename = "true")]
    pub right: Vec<Rollback>,
    pub steps: Vec<Move>,
    pub pages: u64,
    pub unsure: u64,
    pub judged: u64,
    /// The first window after the last phase.
    pub completed: Option<usize>,
    /// The first window in which users met a bad version.
    pub first_bad: Option<usize>,
    /// The window in which it was first rolled back for that.
    pub detected: Option<usize>,
    /// Minutes of a bad version, weighed by the part of the users that met it.
    pub exposure: f64,
    /// Windows that a bad version takes at least to be told by what is counted; none: longer than the rollout.
    #[serde(default)]
    pub bound: Option<usize>,
}

impl Row {
    #[must_use]
    pub fn begin(id: &str, class: &str, kind: Kind) -> Self {
        Self {
            id: id.to_owned(),
            class: class.to_owned(),
            kind,
            wrong: Vec::new(),
            right: Vec::new(),
            steps: Vec::new(),
            pages: 0,
            unsure: 0,
            judged: 0,
            completed: None,
            first_bad: None,
            detected: None,
            exposure: 0.0,
            bound: None,
        }
    }

    /// Whether the first rollback, if there was one, was right.
    #[must_use]
    pub fn first_rollback_is_right(&self) -> Option<bool> {
        let (right, wrong) = (self.right.first(), self.wrong.first());
        match (right, wrong) {
            (None, None) => None,
            (Some(_), None) => Some(true),
            (None, Some(_)) => Some(false),
            (Some((right, ..)), Some((wrong, ..))) => Some(right < wrong),
        }
    }

    /// Whether the version was worse than what it replaces when it was first rolled back.
    #[must_use]
    pub fn first_rollback_is_worse(&self) -> bool {
        let all = self.right.iter().chain(&self.wrong);
        all.min_by_key(|(window, ..)| *window).is_some_and(|(_, _, worse)| *worse)
    }

    /// Windows that users met the bad version, the one in which it was rolled back included.
    #[must_use]
    pub fn delay(&self) -> Option<usize> {
        Some(self.detected? + 1 - self.first_bad?)
    }

    /// All rollbacks, those of a watch that failed too.
    #[must_use]
    pub fn rollbacks(&self) -> usize {
        self.steps.iter().filter(|(_, _, _, why)| why == "rollback").count()
    }

    /// The phase that the w-th window was served in; -1: off.
    #[must_use]
    pub fn phase_at(&self, w: usize) -> i32 {
        let newest = self.steps.iter().rev().find(|(since, ..)| *since <= w);
        newest.map_or(0, |(_, _, to, _)| to.unwrap_or(-1))
    }
}
