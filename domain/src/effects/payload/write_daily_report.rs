use serde::{Deserialize, Serialize};
use shared_types::TargetName;

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Writes a day's report; writing it again is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteDailyReport {
    pub target: TargetName,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Markdown.
    pub text: String,
}

impl Document for WriteDailyReport {
    const KIND: &'static str = "WriteDailyReport";
}

impl Effect for WriteDailyReport {
    fn lane(&self) -> String {
        format!("daily/{}", self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}
