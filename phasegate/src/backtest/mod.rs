//! `phasegate backtest`: the gate's comparison, and the rollout that would have followed (PO-4).
//!
//! The gate's side is the analyzer's own; what follows from its decisions is the reporter's machine, played by `domain`.

mod source;
mod text;

use domain::whatif::compare::Backtest;
use serde::Serialize;

pub(crate) use domain::whatif::course::{Course, Rollout};
pub(crate) use source::{archived, parsed};
pub(crate) use text::text;

/// Both comparisons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Compared {
    /// Whether nobody would have acted otherwise, the rollout would have gone the same way, and all of it could be replayed.
    pub(crate) same: bool,
    /// Whether somebody would have acted otherwise, or the rollout would have gone another way.
    pub(crate) differs: bool,
    pub(crate) gate: Backtest,
    /// None if it was not asked for.
    pub(crate) rollout: Option<Courses>,
}

/// The rollout under each policy, by the reporter's machine. Every command succeeds at once, every approval is there when
/// it is asked for, every incident is acknowledged; what was measured stays as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Courses {
    pub(crate) old: Course,
    pub(crate) new: Course,
}

impl Compared {
    pub(crate) fn new(gate: Backtest, rollout: Option<Courses>) -> Self {
        let alike = rollout.as_ref().is_none_or(|it| it.old == it.new);
        Self { same: gate.same && alike, differs: gate.differs || !alike, gate, rollout }
    }
}
