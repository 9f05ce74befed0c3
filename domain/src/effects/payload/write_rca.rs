use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName};

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Writes the file of an incident's root cause analysis as things stand when it is done: what a person wrote in it
/// stays (GO-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRca {
    pub incident: IncidentId,
    pub target: TargetName,
    /// For the first time: the incident then shows that the file is there.
    pub prepare: bool,
}

impl Document for WriteRca {
    const KIND: &'static str = "WriteRca";
}

impl Effect for WriteRca {
    fn lane(&self) -> String {
        format!("rca/{}", self.incident)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}
