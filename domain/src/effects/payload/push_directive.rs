use serde::{Deserialize, Serialize};
use shared_types::{Directive, IncidentId};

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Gives the collector a directive (CO-6); an older one than the newest is not sent any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushDirective {
    pub directive: Directive,
    pub incident: Option<IncidentId>,
}

impl Document for PushDirective {
    const KIND: &'static str = "PushDirective";
}

impl Effect for PushDirective {
    fn lane(&self) -> String {
        format!("directive/{}", self.directive.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}
