//! The analyzer: judges batches against the policy's SLOs, keeps history, and hears silence.
//!
//! The domain's gate decides; `analyzer` reads, lets it decide, and commits; `store` keeps. A batch in, a decision out, and never nothing.

pub mod analyzer;
pub mod backtest;
pub mod directives;
pub mod effects;
pub mod explain;
pub mod http;
pub mod metrics;
#[cfg(test)]
mod recompute_tests;
pub mod service;
pub mod store;
pub mod subscriber;
#[cfg(test)]
pub(crate) mod testing;
pub mod watch_loop;

pub use http::openapi;
pub use service::{Config, main, run};
