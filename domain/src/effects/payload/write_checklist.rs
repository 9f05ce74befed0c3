use serde::{Deserialize, Serialize};
use shared_types::TargetName;

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Writes the follow-up tasks that are not done into `reports/checklist.md`, of all targets, as they stand then (EV-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteChecklist {
    /// Whose tasks changed.
    pub target: TargetName,
}

impl Document for WriteChecklist {
    const KIND: &'static str = "WriteChecklist";
}

impl Effect for WriteChecklist {
    fn lane(&self) -> String {
        "checklist".to_owned()
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}
