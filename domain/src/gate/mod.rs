//! The gate: what is said of a batch, decided by plain functions.
//!
//! `judge_batch` holds a window's counts against the policy's thresholds, `judge_missing` says the same of a
//! window that did not come, and `run::Run` keeps how long a phase has been compliant. Nothing here does
//! I/O or reads a clock, so a stored decision can be recomputed from its evidence (SLO-10).

mod checked;
mod decide;
pub mod evidence;
mod judge;
pub mod ledger;
pub mod metric;
pub mod recompute;
pub mod run;
mod state;
mod threshold;
pub mod watch;

#[cfg(test)]
mod edge_tests;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
#[cfg(test)]
mod properties;

pub use checked::{BatchError, CheckedBatch};
pub use decide::{Subject, batch_hash, decision_id};
pub use judge::{
    Basis, Judgement, judge_batch, judge_missing, judge_observed, longest_look_back, same_metrics,
};
pub use metric::EarlierBatch;
pub use run::{Contribution, Run};
pub use state::GateState;
