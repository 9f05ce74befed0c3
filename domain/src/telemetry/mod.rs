//! From the policy to what is counted, and from counts to a batch. Pure.
//!
//! The collector counts streams of events as they come; the dry run counts a file of them at once. Both read
//! lines by the `events` crate and write batches with what is in here, so that they cannot disagree.

pub mod batches;
mod sessions;
pub mod totals;

use std::collections::BTreeSet;

use events::{EventSpecs, TooManyFields};

use crate::policy::{MetricPolicy, TargetPolicy};

/// The events that a policy's metrics ask for, read as its source says.
///
/// # Errors
/// [`TooManyFields`].
pub fn event_specs(policy: &TargetPolicy) -> Result<EventSpecs, TooManyFields> {
    let TargetPolicy { metrics, collection, .. } = policy;
    let wanted = metrics.iter().flat_map(MetricPolicy::needs);
    Ok(EventSpecs::new(wanted)?.with_variants(variants(metrics))?.with_map(collection.map.clone()))
}

/// The variants whose events are counted apart (JU-9), each once.
#[must_use]
pub fn variants(metrics: &[MetricPolicy]) -> Vec<String> {
    let named = metrics.iter().filter_map(|metric| metric.control.as_ref()?.variant.clone());
    named.collect::<BTreeSet<_>>().into_iter().collect()
}
