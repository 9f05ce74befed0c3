//! The root cause analysis of an incident, as far as it has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::incident::{Rca as RcaView, RcaState};
use shared_types::{IncidentId, Timestamp};

use crate::audit::digest;
use crate::stored::plain;

/// Part of an incident's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rca {
    /// The policy's `rca.due` after the opening.
    pub due_at: Timestamp,
    /// When people are reminded; none once that is settled.
    pub remind_at: Option<Timestamp>,
    /// Whether the file has been written.
    pub prepared: bool,
    /// When it was first submitted.
    pub first_submitted_at: Option<Timestamp>,
    /// The newest submission.
    pub submission: Option<Submission>,
    pub confirmation: Option<Confirmation>,
}

/// What a person found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    pub by: String,
    pub at: Timestamp,
    pub finding: Finding,
    /// What this one was submitted in place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Finding>,
}

/// Neither cause nor prevention is ever empty: whoever makes one has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub cause: String,
    pub prevention: String,
    /// Where else the analysis is.
    pub link: Option<String>,
}

/// GO-3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    pub by: String,
    pub at: Timestamp,
    pub comment: String,
    /// [`Finding::hash`] of what was confirmed; none where an earlier release did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Finding {
    /// `sha256:<hex>` over its canonical JSON: says that somebody read this text and no other.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(&plain(self))
    }
}

impl Rca {
    /// What is asked for when an incident opens.
    #[must_use]
    pub fn asked(opened_at: Timestamp, due: Duration) -> Self {
        Self {
            due_at: opened_at.plus(due),
            remind_at: Some(opened_at.plus(due * 3 / 4)),
            prepared: false,
            first_submitted_at: None,
            submission: None,
            confirmation: None,
        }
    }

    /// When a tick has something to do for a submission that is still missing.
    #[must_use]
    pub fn next_due(&self, review_open: bool) -> Option<Timestamp> {
        let due = (self.submission.is_none() && !review_open).then_some(self.due_at);
        self.remind_at.into_iter().chain(due).min()
    }

    /// As the API shows it.
    #[must_use]
    pub fn view(&self, incident: &IncidentId, opened_at: Timestamp) -> RcaView {
        let submission = self.submission.as_ref();
        let finding = submission.map(|it| &it.finding);
        let confirmation = self.confirmation.as_ref();
        RcaView {
            state: match (confirmation, submission) {
                (Some(_), _) => RcaState::Confirmed,
                (None, Some(_)) => RcaState::Submitted,
                (None, None) if self.prepared => RcaState::Draft,
                (None, None) => RcaState::Missing,
            },
            due_at: self.due_at,
            file: file(incident, opened_at),
            link: finding.and_then(|it| it.link.clone()),
            cause: finding.map(|it| it.cause.clone()),
            prevention: finding.map(|it| it.prevention.clone()),
            hash: finding.map(Finding::hash),
            on_disk: None,
            submitted_at: submission.map(|it| it.at),
            submitted_by: submission.map(|it| it.by.clone()),
            in_time: self.first_submitted_at.map(|at| at <= self.due_at),
            confirmed_at: confirmation.map(|it| it.at),
            confirmed_by: confirmation.map(|it| it.by.clone()),
            comment: confirmation.map(|it| it.comment.clone()),
            confirmed_hash: confirmation.and_then(|it| it.hash.clone()),
        }
    }
}

/// Where the file is, below the data directory: `reports/rca/<date>-<incident>.md`.
#[must_use]
pub fn file(incident: &IncidentId, opened_at: Timestamp) -> String {
    format!("reports/rca/{}-{incident}.md", opened_at.to_jiff().strftime("%Y-%m-%d"))
}
