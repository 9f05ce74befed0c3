use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::story::hop::ToldBy;
use shared_types::{IncidentId, TargetName, Timestamp};

use crate::effects::{Effect, RetrySchedule};
use crate::pagers::PAGER;
use crate::stored::Document;

/// Asks the pager, if it can be asked, whether somebody has acknowledged, because its webhook can be lost; due shortly before an
/// escalation. `Done` carries [`PageAcknowledgement`] or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPageAcknowledged {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
}

/// Who acknowledged a page, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageAcknowledgement {
    pub at: Timestamp,
    pub by: String,
}

impl Document for CheckPageAcknowledged {
    const KIND: &'static str = "CheckPageAcknowledged";
}

impl Effect for CheckPageAcknowledged {
    fn lane(&self) -> String {
        format!("{}-poll/{}", PAGER.name, self.incident)
    }

    /// One answer before the escalation is enough; a failed question is not worth a person's time.
    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([2, 5].map(Duration::from_secs))
    }

    /// A question whose answer comes another way too.
    fn told_if_lost(&self) -> Option<ToldBy> {
        Some(ToldBy::Nobody)
    }
}
