//! What is known of a past that the store does not hold any more (OP-3).

use serde::{Deserialize, Serialize};
use shared_types::{Epoch, Timestamp};

/// A neighbour is ahead of all that was ever told from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The newest epoch and sequence that it was told.
    pub epoch: Epoch,
    pub sequence: u64,
    /// Who is ahead: a service's name.
    pub told_by: String,
    pub since: Timestamp,
}

/// The epochs between two others were given out in a past that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostStays {
    /// Whether people know of a rollback that was required in one of them and cannot be made here.
    #[serde(default)]
    pub told: bool,
    /// The last one that is known from before.
    pub after: Epoch,
    /// The first one since.
    pub before: Epoch,
}

impl LostStays {
    /// Whether an epoch is one of them; of the last known one too nobody knows how it went on.
    #[must_use]
    pub fn hold(&self, epoch: Epoch) -> bool {
        self.after <= epoch && epoch < self.before
    }
}
