//! The analyzer: judges batches against the policy's SLOs, keeps history, and hears silence.
//!
//! The pure parts decide (`gate`, `ledger`, `watch`); `analyzer` reads, lets them decide, and commits;
//! `store` keeps. A batch in, a decision out, and never nothing.

pub mod analyzer;
pub mod backtest;
pub mod delivery;
pub mod dry_run;
pub mod explain;
pub mod gate;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod recompute;
pub mod service;
pub mod steward;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
pub mod watch_loop;

pub use http::openapi;
pub use service::{Config, run};
