use serde::{Deserialize, Serialize};
use shared_types::story::hop::ToldBy;
use shared_types::{IncidentId, TargetName, Timestamp};
use uuid::Uuid;

use crate::effects::{Effect, RetrySchedule};
use crate::pagers::PAGER;
use crate::stored::Document;

/// Pages somebody beside the page of any incident: people could not be told of something elsewhere (NO-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageNotice {
    pub notification: Uuid,
    pub target: TargetName,
    /// Whose message was lost.
    pub incident: Option<IncidentId>,
    /// Never that of an incident, whose page has a life of its own.
    pub dedup_key: String,
    /// One line.
    pub summary: String,
    pub source: String,
    /// The policy's name of the service that the page is about.
    pub service: String,
    pub text: String,
    pub at: Timestamp,
}

impl Document for PageNotice {
    const KIND: &'static str = "PageNotice";
}

impl Effect for PageNotice {
    /// Beside the pages of incidents, so that none waits for it.
    fn lane(&self) -> String {
        format!("{}-notice/{}", PAGER.name, self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_pages()
    }

    /// It is the other way.
    fn told_if_lost(&self) -> Option<ToldBy> {
        Some(ToldBy::Nobody)
    }
}
