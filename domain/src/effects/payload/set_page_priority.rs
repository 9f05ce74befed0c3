use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName};

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Sets the priority field of the PagerDuty incident; needs the REST token, without it nothing is done.
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
        format!("pagerduty-rest/{}", self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_messages()
    }
}
