//! The governance review of an incident.

use serde::{Deserialize, Serialize};
use shared_types::Timestamp;
use shared_types::incident::{ForcedRollback, Recommendation, Review as ReviewView, ReviewState};

/// Part of an incident's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub state: ReviewState,
    pub recommendation: Recommendation,
    pub opened_at: Timestamp,
    pub ruling: Option<Ruling>,
}

/// What governance decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub by: String,
    pub at: Timestamp,
    pub comment: String,
    /// What an approval forced.
    pub rollback: Option<ForcedRollback>,
}

impl Review {
    /// As the API shows it.
    #[must_use]
    pub fn view(&self) -> ReviewView {
        let ruling = self.ruling.as_ref();
        ReviewView {
            state: self.state,
            recommendation: self.recommendation,
            opened_at: self.opened_at,
            decided_at: ruling.map(|it| it.at),
            decided_by: ruling.map(|it| it.by.clone()),
            comment: ruling.map(|it| it.comment.clone()),
            rollback: ruling.and_then(|it| it.rollback.clone()),
        }
    }
}
