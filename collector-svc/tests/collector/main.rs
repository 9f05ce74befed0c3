//! The collector with a clock that tests move, on real stores, with real files and a real receiver.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod analyzer;
mod catch_up;
mod cloudwatch;
mod contract;
mod datadog;
mod failures;
mod files;
mod http;
mod loki;
mod look;
mod mapped;
mod one_shot;
mod otlp;
mod own_source;
mod plans;
mod policy;
mod prometheus;
mod prometheus_tokens;
mod pushes;
mod replicas;
mod rig;
mod schema;
mod source_contract;
mod store;
mod updates;
mod windows;
