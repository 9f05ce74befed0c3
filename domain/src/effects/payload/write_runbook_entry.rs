use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName, Timestamp};
use uuid::Uuid;

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Appends a line to the runbook log; writing it again is harmless, it is recognised by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRunbookEntry {
    pub notification: Uuid,
    pub target: TargetName,
    pub incident: Option<IncidentId>,
    pub at: Timestamp,
    /// The rendered `autosave-rollback` text.
    pub text: String,
    /// The rendered runbook (`rollback.md`), Markdown (RB-8).
    pub runbook: String,
}

impl Document for WriteRunbookEntry {
    const KIND: &'static str = "WriteRunbookEntry";
}

impl Effect for WriteRunbookEntry {
    fn lane(&self) -> String {
        format!("runbook/{}", self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}
