//! The collector: telemetry in, one batch a window and target out, each event counted exactly once.
//!
//! `event`, `records`, `intake`, `schedule`, `state` and `totals` decide and count without I/O; `sources` read,
//! `store` keeps, `worker` brings them together for one target, `share` says which replica reads it, `effects` does what the outbox holds, `archive` are the files of
//! batches.

pub mod api;
pub mod archive;
pub mod collect;
pub mod counters;
pub mod effects;
pub mod generate;
pub mod intake;
pub mod look;
pub mod schedule;
pub mod schema;
pub mod service;
pub mod share;
pub mod shared_time;
pub mod sources;
pub mod state;
pub mod store;
pub mod versions;
pub mod worker;
pub mod worker_pool;

pub use api::openapi;
pub use service::{Config, main, run};
