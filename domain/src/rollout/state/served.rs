//! What the flag system was found to serve between two moves (RB-11).

use serde::{Deserialize, Serialize};
use shared_types::rollout::Drift as DriftView;
use shared_types::{Decision, Timestamp};

/// What read-backs besides those of moves have found; nothing, while all is as recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Another phase is served than the one on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// It could not be read for longer than is tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

impl Served {
    /// Whether nothing is known that is not as recorded.
    #[must_use]
    pub fn is_as_recorded(&self) -> bool {
        self == &Self::default()
    }
}

/// What is served in place of the phase on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// As it was read: a phase, a share, or whatever stood there.
    pub served: String,
    pub since: Timestamp,
    /// More users have it than the record says, or nobody can tell that it is not so.
    pub upward: bool,
}

impl Drift {
    /// What a drift is called where metrics are.
    pub const METRIC: &'static str = "drift";

    /// Whether that is what a decision is about: one that nobody made, so that no metric of a policy is taken for it.
    #[must_use]
    pub fn is_subject(decision: &Decision) -> bool {
        decision.decision_id.is_nil() && decision.violated == [Self::METRIC]
    }

    /// As the API shows it.
    #[must_use]
    pub fn view(&self) -> DriftView {
        let Self { served, since, upward } = self.clone();
        DriftView { served, since, upward }
    }
}

/// Read-backs that failed, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    pub since: Timestamp,
    /// Of the newest one.
    pub reason: String,
}
