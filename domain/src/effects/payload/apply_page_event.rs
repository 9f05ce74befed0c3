use serde::{Deserialize, Serialize};
use shared_types::Timestamp;

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Takes over what somebody did at the pager, as its webhook told (ES-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyPageEvent {
    pub act: PageAct,
    /// Of the page, as the store names it: `<pager>:<id>`.
    pub page: String,
    /// Ours, if the event held it.
    pub dedup_key: Option<String>,
    pub by: String,
    /// When it was done, by the pager's clock.
    pub at: Timestamp,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageAct {
    Acknowledged,
    /// By a person; ours changes nothing.
    Resolved,
}

impl Document for ApplyPageEvent {
    const KIND: &'static str = "ApplyPageEvent";
}

impl Effect for ApplyPageEvent {
    fn lane(&self) -> String {
        format!("page-event/{}", self.page)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_our_own()
    }
}
