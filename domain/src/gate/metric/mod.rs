//! What the gate looks at: one file a kind of metric, with its shape in the policy, its check, its words and the way its
//! value is made.
//!
//! A kind says which events it is made from and computes one number of a window; thresholds, verdicts and their order
//! are the gate's, and go by the side that the metric says is the good one.

pub mod builtin;
pub mod count;
mod display;
mod facts;
mod kind;
pub mod mean;
pub mod quantile;
pub mod ratio;
#[cfg(test)]
mod tests;
pub mod value;

pub use display::Display;
pub use facts::{EarlierBatch, Facts};
pub use kind::{Metric, MetricKind, Observation, Shown};

/// The kinds of the product, in the order of the documentation.
pub const SHIPPED: [MetricKind; 6] =
    [quantile::KIND, ratio::KIND, count::KIND, mean::KIND, value::KIND, builtin::KIND];
