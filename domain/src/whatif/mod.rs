//! What would be, or would have been: the gate and the rollout played without a service. Sends and stores nothing.

pub mod archive;
pub mod compare;
pub mod course;
pub mod dry_run;
mod recorded;
pub mod replay;

pub use recorded::Recorded;
