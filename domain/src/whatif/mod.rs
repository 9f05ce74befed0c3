//! What would be, or would have been: the gate and the rollout played without a service. Sends and stores nothing.
//!
//! Windows are judged again by `archive` and `replay`, what follows from decisions is played by `play`; `dry_run` and
//! `course` are its two uses.

pub mod archive;
pub mod compare;
pub mod course;
pub mod dry_run;
pub mod play;
mod recorded;
pub mod replay;
pub mod story;

pub use recorded::Recorded;
