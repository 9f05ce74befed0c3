use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName};

use crate::effects::{Effect, RetrySchedule};
use crate::pagers::PAGER;
use crate::stored::Document;

/// Sets the priority of the page where it is shown, if the pager can be asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPagePriority {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
    /// `P2`, `P1`: the name of a priority of the account.
    pub priority: String,
}

impl Document for SetPagePriority {
    const KIND: &'static str = "SetPagePriority";
}

impl Effect for SetPagePriority {
    fn lane(&self) -> String {
        format!("{}-rest/{}", PAGER.name, self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_messages()
    }
}
