//! The gate: what is said of a batch, decided by plain functions.
//!
//! `observe_batch` and `observe_missing` say what a window shows, `judge` holds it against the policy's thresholds, alone or
//! with the windows before it, and `run::Run` keeps how long a phase has been compliant. Nothing here does
//! I/O or reads a clock, so a stored decision can be recomputed from its evidence (SLO-10).

mod changed;
mod checked;
pub mod claim;
mod control;
mod decide;
pub mod evidence;
mod group;
mod judge;
pub mod ledger;
mod memory;
pub mod metric;
mod observe;
pub mod recompute;
pub mod run;
mod standing;
mod state;
mod threshold;
mod vanished;
pub mod watch;
mod weigh;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod edge_tests;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod properties;

pub(crate) use checked::LONGEST_WINDOW;
pub use checked::{BatchError, CheckedBatch};
pub use decide::{Subject, batch_hash, decision_id};
pub use group::{Attempts, Group};
pub use judge::{Basis, HELD_LONG, Judgement, is_held, judge};
pub use metric::EarlierBatch;
pub use observe::{
    Observed, longest_look_back, observe_batch, observe_missing, observe_recorded, same_observations,
};
pub use run::{Contribution, Run};
pub use state::GateState;
