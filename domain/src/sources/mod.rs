//! Where telemetry comes from, as far as the policy goes: one file a kind of source, with its shape, its check and its
//! words. What reads is the collector's (`collector-svc/src/sources`).

mod breakdown;
pub mod cloudwatch;
pub mod datadog;
pub mod http;
pub mod jsonl;
mod kind;
pub mod loki;
pub mod nats;
pub mod otlp;
mod places;
pub mod prometheus;
mod variable;

pub use kind::{SourceKind, SourceSettings};
pub use places::{Filling, range};

/// The kinds of the product, in the order of the documentation.
pub const SHIPPED: [SourceKind; 8] = [
    jsonl::KIND,
    http::KIND,
    prometheus::KIND,
    otlp::KIND,
    nats::KIND,
    loki::KIND,
    cloudwatch::KIND,
    datadog::KIND,
];
