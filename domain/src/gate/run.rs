//! How long an epoch has been compliant without a break (PH-7).
//!
//! Only windows that were judged count: the run is a sum of covered window time, so no clock ripens it. The
//! same window twice counts once, and a hole between two windows breaks the run like the batch that is
//! missing in it.

use crate::policy::AdvanceCondition;
use crate::stored::Document;
use serde::{Deserialize, Serialize};
use shared_types::decision::{BrokenBy, Cause, GateProgress, RunBefore};
use shared_types::{Epoch, Timestamp, Window};

/// What a window does to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contribution {
    /// `ok` or `warn`: another compliant window.
    Feeds,
    /// `insufficient`: no hole, and no evidence either.
    Passes,
    /// A violation, or a batch that is missing or came too late.
    Breaks { cause: Cause, metric: Option<String> },
}

/// The compliant run of one target's epoch; stored as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub epoch: Epoch,
    compliant_batches: u64,
    compliant_ms: u64,
    /// Where the present run began; what lies before cannot break it any more.
    from: Option<Timestamp>,
    /// Everything before this has been judged, or has broken the run.
    covered_to: Option<Timestamp>,
    broken_by: Option<BrokenBy>,
    through: Option<Window>,
}

impl Document for Run {
    const KIND: &'static str = "compliant run";
}

impl Run {
    /// Nothing judged yet.
    #[must_use]
    pub fn fresh(epoch: Epoch) -> Self {
        Self {
            epoch,
            compliant_batches: 0,
            compliant_ms: 0,
            from: None,
            covered_to: None,
            broken_by: None,
            through: None,
        }
    }

    /// As a decision's evidence has it.
    #[must_use]
    pub fn resume(epoch: Epoch, before: &RunBefore) -> Self {
        let RunBefore { compliant_batches, compliant_ms, from, covered_to, broken_by, through } =
            before.clone();
        Self { epoch, compliant_batches, compliant_ms, from, covered_to, broken_by, through }
    }

    /// For the evidence of the decision that goes on from here.
    #[must_use]
    pub fn before(&self) -> RunBefore {
        let Self { compliant_batches, compliant_ms, from, covered_to, broken_by, through, .. } = self.clone();
        RunBefore { compliant_batches, compliant_ms, from, covered_to, broken_by, through }
    }

    /// Takes a judged window into account.
    pub fn take(&mut self, window: Window, contribution: Contribution) {
        match contribution {
            Contribution::Breaks { cause, metric } => self.end(BrokenBy { window, cause, metric }),
            Contribution::Feeds => self.cover(window, true),
            Contribution::Passes => self.cover(window, false),
        }
        self.through = self.through.max(Some(window));
    }

    fn end(&mut self, broken_by: BrokenBy) {
        let window = broken_by.window;
        if self.from.is_some_and(|from| window.end <= from) {
            return; // of a time the present run does not reach back to
        }
        self.compliant_batches = 0;
        self.compliant_ms = 0;
        self.covered_to = self.covered_to.max(Some(window.end));
        self.from = self.covered_to;
        self.broken_by = Some(broken_by);
    }

    fn cover(&mut self, window: Window, compliant: bool) {
        let covered_to = self.covered_to.unwrap_or(window.start);
        if covered_to < window.start {
            let hole = Window { start: covered_to, end: window.start };
            self.end(BrokenBy { window: hole, cause: Cause::CollectionDelayed, metric: None });
        }
        let new = window.end.since(window.start.max(covered_to));
        if new.is_zero() {
            return;
        }
        if compliant {
            self.compliant_batches += 1;
            self.compliant_ms = self.compliant_ms.saturating_add(u64::try_from(new.as_millis()).unwrap_or(0));
        }
        self.from = self.from.or(Some(window.start));
        self.covered_to = Some(window.end);
    }

    /// How far the condition is (PH-2 to PH-4).
    #[must_use]
    pub fn progress(&self, condition: AdvanceCondition) -> GateProgress {
        let (needed_batches, needed_ms) = match condition {
            AdvanceCondition::CompliantBatches(batches) => (Some(batches), None),
            AdvanceCondition::CompliantFor(time) => {
                (None, Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
            }
        };
        GateProgress {
            epoch: self.epoch,
            compliant_batches: self.compliant_batches,
            compliant_ms: self.compliant_ms,
            needed_batches,
            needed_ms,
            satisfied: needed_batches.is_none_or(|needed| self.compliant_batches >= needed)
                && needed_ms.is_none_or(|needed| self.compliant_ms >= needed),
            broken_by: self.broken_by.clone(),
            through: self.through,
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
