use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, TargetName, Timestamp};
use uuid::Uuid;

use crate::effects::{Effect, RetrySchedule};
use crate::pagers::PAGER;
use crate::stored::Document;

/// Opens a page, or raises the one with the same dedup key (ES-1, ES-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerPage {
    pub notification: Uuid,
    pub incident: IncidentId,
    pub target: TargetName,
    /// Always the same for an incident.
    pub dedup_key: String,
    /// One line; the vendor module cuts it to the vendor's limit.
    pub summary: String,
    /// Which system is affected.
    pub source: String,
    /// The policy's name of the service that the page is about.
    pub service: String,
    pub severity: Severity,
    /// `P2`, `P1`: Events v2 has no such field, so it goes into `custom_details.priority`.
    pub priority: String,
    /// Template id, into `custom_details.template`.
    pub template: String,
    /// The rendered template, unescaped, into `custom_details.text`.
    pub text: String,
    /// The human form of the rollback, into `custom_details.rollback.command`; none when nothing is rolled back.
    pub rollback_command: Option<String>,
    /// Further `custom_details` (phase, epoch, metric, window, decision): a JSON object.
    pub details: serde_json::Value,
    pub opened_at: Timestamp,
}

/// Events v2 severities that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

impl Document for TriggerPage {
    const KIND: &'static str = "TriggerPage";
}

impl Effect for TriggerPage {
    fn lane(&self) -> String {
        format!("{}/{}", PAGER.name, self.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_pages()
    }
}
