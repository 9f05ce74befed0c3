//! How long an epoch has been compliant without a break (PH-7).
//!
//! Only windows that were judged count: the run is a sum of covered window time, so no clock ripens it. The
//! same window twice counts once, and a hole between two windows breaks the run like the batch that is
//! missing in it.

use crate::policy::{AdvanceCondition, PhasePolicy, TargetPolicy};
use crate::stored::{Document, Step, unchanged};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared_types::decision::{
    BrokenBy, Cause, EventBefore, GateProgress, Held, RunBefore, Stale, StayOver, Vanished,
};
use shared_types::{Epoch, Window};

use super::judge::Judgement;
use super::memory::{InPhase, Memory};

/// What a window does to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contribution {
    /// `ok` or `warn`: another compliant window, and with it the time of those that waited for it.
    Feeds,
    /// Too few attempts alone: its time waits until enough are together (JU-5).
    Waits,
    /// No hole, and no evidence either.
    Passes,
    /// `unsure`: as it passes, and what waited does not count (JU-5).
    Doubts,
    /// A violation, or a batch that is missing or came too late.
    Breaks { cause: Cause, metric: Option<String> },
}

/// JU-9a: after so many windows in a row without one that was held, the run of held windows ends.
const HELD_WITHOUT: u64 = 4;

/// The run of held windows with so many `further` ones, of which this is one.
fn held_after(before: Option<Held>, held: bool, window: Window, further: u64) -> Option<Held> {
    if held {
        let begun = before.filter(|it| it.in_a_row > 0);
        let Held { in_a_row, since, .. } =
            begun.unwrap_or(Held { in_a_row: 0, without: 0, since: window.start });
        return Some(Held { in_a_row: in_a_row.saturating_add(further), without: 0, since });
    }
    let without = |it: Held| Held { in_a_row: 0, without: it.without.saturating_add(further), ..it };
    before.map(without).filter(|it| it.without < HELD_WITHOUT)
}

/// The compliant run of one target's epoch, and what is remembered of the epoch's windows; stored as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub epoch: Epoch,
    /// As a decision keeps it, but for its metrics: those are the memory's.
    #[serde(flatten)]
    so_far: RunBefore,
    memory: Memory,
}

impl Document for Run {
    const KIND: &'static str = "compliant run";
    // Evidence that is forgotten whenever the older form has to be written would never grow.
    const STEPS: &'static [Step] = &[
        Step { name: "windows are weighed together", up: weigh, down: unchanged },
        Step { name: "windows are held beside a control group", up: hold_beside, down: unchanged },
    ];
}

/// Form 3 remembers of each metric whose errors were whose, and how its control group did.
fn hold_beside(mut run: Value) -> Result<Value, String> {
    let metrics = run.get_mut("memory").and_then(Value::as_array_mut).ok_or("no memory")?;
    for metric in metrics {
        let fields = metric.as_object_mut().ok_or("not an object")?;
        fields.entry("sessions").or_insert(json!([]));
        fields.entry("control").or_insert(Value::Null);
        fields.entry("changed").or_insert(Value::Null);
    }
    Ok(run)
}

/// Form 2 remembers the windows of the epoch; of those that form 1 took no note of nothing is known.
fn weigh(mut run: Value) -> Result<Value, String> {
    run.as_object_mut().ok_or("not an object")?.entry("memory").or_insert(json!([]));
    Ok(run)
}

impl Run {
    /// Nothing judged yet.
    #[must_use]
    pub fn fresh(epoch: Epoch) -> Self {
        Self::resume(epoch, &RunBefore::default())
    }

    /// The first of an epoch that a move up begins; `in_phase` is what a metric is in the new phase, if it is judged there.
    #[must_use]
    pub fn after_move_up(&self, epoch: Epoch, in_phase: impl Fn(&str) -> Option<InPhase>) -> Self {
        Self { memory: self.memory.after_move_up(in_phase), ..self.after_move(epoch) }
    }

    /// The first of a newer epoch. Of the next one events are known (TE-6); before a later one it was off, and what began then is
    /// another rollout.
    #[must_use]
    pub fn after_move(&self, epoch: Epoch) -> Self {
        let is_next = epoch == self.epoch.saturating_add(1);
        let events = if is_next { self.so_far.events.clone() } else { Vec::new() };
        Self::resume(epoch, &RunBefore { events, ..RunBefore::default() })
    }

    /// As a decision's evidence has it.
    #[must_use]
    pub fn resume(epoch: Epoch, before: &RunBefore) -> Self {
        let memory = Memory::resume(&before.metrics);
        Self { epoch, so_far: RunBefore { metrics: Vec::new(), ..before.clone() }, memory }
    }

    /// For the evidence of the decision that goes on from here.
    #[must_use]
    pub fn before(&self) -> RunBefore {
        RunBefore { metrics: self.memory.before(), ..self.so_far.clone() }
    }

    /// Remembers what a judged window showed; before it is [taken](Self::take). What is counted in a row are windows, each once
    /// and none that is older than the newest.
    pub fn remember(&mut self, window: Window, judgement: &Judgement, contribution: &Contribution) {
        let newest = self.so_far.through.map(|newest| newest.start);
        let further = u64::from(newest.is_none_or(|newest| newest < window.start));
        if newest.is_none_or(|newest| newest <= window.start) {
            let came = judgement.cause == Cause::Slo;
            self.so_far.gaps = if came { 0 } else { self.so_far.gaps.saturating_add(further) };
            let decided = judgement.verdict.is_compliant();
            self.so_far.undecided = if decided { 0 } else { self.so_far.undecided.saturating_add(further) };
            self.so_far.stale = match contribution {
                Contribution::Feeds => None,
                Contribution::Waits => self.so_far.stale,
                _ => {
                    let Stale { windows, since } =
                        self.so_far.stale.unwrap_or(Stale { windows: 0, since: window.start });
                    Some(Stale { windows: windows.saturating_add(further), since })
                }
            };
            self.so_far.held = held_after(self.so_far.held, judgement.held, window, further);
            if let Some(events) = &judgement.events {
                self.so_far.events.clone_from(events);
            }
        }
        self.memory.take(&judgement.remembered, judgement.groups_end);
    }

    /// Passes over the windows that are missing before this one, if they and those missing before them are no more than are
    /// tolerated (JU-8).
    pub fn bridge(&mut self, window: Window, tolerated: u64) {
        let Some(covered_to) = self.so_far.covered_to.filter(|it| *it < window.start) else { return };
        let hole = window.start.since(covered_to).as_millis();
        let missing = u64::try_from(hole.div_ceil(window.length().as_millis().max(1))).unwrap_or(u64::MAX);
        let gaps = self.so_far.gaps.saturating_add(missing);
        if gaps <= tolerated {
            self.so_far.gaps = gaps;
            self.so_far.covered_to = Some(window.start);
        }
    }

    /// Windows in a row that prove nothing, if they are more than is tolerated (PH-9).
    #[must_use]
    pub fn stale(&self, tolerated: u64) -> Option<Stale> {
        self.so_far.stale.filter(|stale| stale.windows > tolerated)
    }

    /// Events that are missed (TE-6).
    #[must_use]
    pub fn vanished(&self) -> Vec<Vanished> {
        let missed = |it: &EventBefore| {
            let without = it.without.filter(|_| it.vanished)?;
            Some(Vanished { event: it.event.clone(), windows: without.windows, since: without.since })
        };
        self.so_far.events.iter().filter_map(missed).collect()
    }

    /// The metrics whose whole stay put together is beyond the phase's limit (JU-6).
    #[must_use]
    pub fn stay_over(&self, policy: &TargetPolicy, phase: &PhasePolicy) -> Vec<StayOver> {
        self.memory.stay_over(policy, phase)
    }

    /// Takes a judged window into account.
    pub fn take(&mut self, window: Window, contribution: Contribution) {
        match contribution {
            Contribution::Breaks { cause, metric } => self.end(BrokenBy { window, cause, metric }),
            Contribution::Feeds => {
                if let Some(new) = self.cover(window) {
                    self.so_far.compliant_batches += 1;
                    self.so_far.compliant_ms =
                        self.so_far.compliant_ms.saturating_add(self.so_far.waiting_ms).saturating_add(new);
                    self.so_far.waiting_ms = 0;
                }
            }
            Contribution::Waits => {
                let new = self.cover(window).unwrap_or_default();
                self.so_far.waiting_ms = self.so_far.waiting_ms.saturating_add(new);
            }
            Contribution::Passes => _ = self.cover(window),
            Contribution::Doubts => {
                self.cover(window);
                self.so_far.waiting_ms = 0;
            }
        }
        self.so_far.through = self.so_far.through.max(Some(window));
    }

    fn end(&mut self, broken_by: BrokenBy) {
        let window = broken_by.window;
        if self.so_far.from.is_some_and(|from| window.end <= from) {
            return; // of a time the present run does not reach back to
        }
        self.so_far.compliant_batches = 0;
        self.so_far.compliant_ms = 0;
        self.so_far.waiting_ms = 0;
        self.so_far.covered_to = self.so_far.covered_to.max(Some(window.end));
        self.so_far.from = self.so_far.covered_to;
        self.so_far.broken_by = Some(broken_by);
    }

    /// The time that the window newly covers, in milliseconds; none, if it was covered before. A hole before it ends the run.
    fn cover(&mut self, window: Window) -> Option<u64> {
        let covered_to = self.so_far.covered_to.unwrap_or(window.start);
        if covered_to < window.start {
            let hole = Window { start: covered_to, end: window.start };
            self.end(BrokenBy { window: hole, cause: Cause::CollectionDelayed, metric: None });
        }
        let new = window.end.since(window.start.max(covered_to));
        if new.is_zero() {
            return None;
        }
        self.so_far.from = self.so_far.from.or(Some(window.start));
        self.so_far.covered_to = Some(window.end);
        Some(u64::try_from(new.as_millis()).unwrap_or(0))
    }

    /// The newest window that was judged.
    #[must_use]
    pub fn through(&self) -> Option<Window> {
        self.so_far.through
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
            compliant_batches: self.so_far.compliant_batches,
            compliant_ms: self.so_far.compliant_ms,
            needed_batches,
            needed_ms,
            satisfied: needed_batches.is_none_or(|needed| self.so_far.compliant_batches >= needed)
                && needed_ms.is_none_or(|needed| self.so_far.compliant_ms >= needed),
            broken_by: self.so_far.broken_by.clone(),
            through: self.so_far.through,
            stay_over: Vec::new(),
            stale: None,
            vanished: Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
