//! A decision of the past, as a replay needs it.

use std::collections::BTreeMap;

use shared_types::{Batch, Decision, Timestamp};

/// A decision with what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub decision: Decision,
    /// When the batch of its window was received, if it ever was.
    pub arrived: Option<Timestamp>,
    /// What that batch counted.
    pub counters: Option<BTreeMap<String, u64>>,
    /// That batch itself, if it was asked for.
    pub batch: Option<Batch>,
}
