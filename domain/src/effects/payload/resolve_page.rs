use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName};

use crate::effects::{Effect, RetrySchedule};
use crate::pagers::PAGER;
use crate::stored::Document;

/// Resolves the page (ES-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePage {
    pub incident: IncidentId,
    pub target: TargetName,
    pub dedup_key: String,
}

impl Document for ResolvePage {
    const KIND: &'static str = "ResolvePage";
}

impl Effect for ResolvePage {
    fn lane(&self) -> String {
        format!("{}/{}", PAGER.name, self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_pages()
    }
}
