//! From the policy to what is counted, and from counts to a batch. Pure.
//!
//! The collector counts streams of events as they come; the dry run counts a file of them at once. Both read
//! lines by the `events` crate and write batches with what is in here, so that they cannot disagree.

pub mod batches;
pub mod totals;

use events::{EventSpecs, TooManyFields};

use crate::policy::MetricPolicy;

/// The events that a policy's metrics ask for.
///
/// # Errors
/// [`TooManyFields`].
pub fn event_specs(metrics: &[MetricPolicy]) -> Result<EventSpecs, TooManyFields> {
    EventSpecs::new(metrics.iter().flat_map(MetricPolicy::needs))
}
