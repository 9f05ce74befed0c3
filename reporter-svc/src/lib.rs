//! The reporter: rollout and incident machines, their durable effects, and what people see of them.

pub mod api;
pub mod audit;
pub mod changes;
pub mod channels;
pub mod composition;
pub mod config;
pub mod counters;
pub mod daily;
pub mod dashboard;
pub mod drift;
pub mod effects;
pub mod evidence;
pub mod executors;
pub mod files;
pub mod kind;
mod losses;
pub mod notifiers;
pub mod page;
pub mod pagers;
pub mod rca_file;
pub mod reporter;
pub mod restored;
pub mod service;
pub mod shown;
pub mod store;
pub mod subscriber;
pub mod ways;

#[cfg(test)]
pub(crate) mod tests;

pub use api::openapi;
pub use config::Config;
pub use service::{main, run};
