//! Phasegate beside bare programs that do less, in one run on the same cores, because times belong to a machine and ratios travel.
//!
//! Two programs, as the services have different allocators: `phasegate-bench` measures the collector, `guard-bench` the analyzer
//! and the reporter.

mod bare;
mod catch_up;
mod collector;
mod cycle;
pub mod guard;
mod history;
mod idle;
mod latency;
mod logged;
mod measure;
mod nats;
mod push;
mod replicas;
mod soak;
mod storm;
mod tables;
pub mod telemetry;
