//! The evidence that an incident was understood, as far as it is there (EV-1 to EV-3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_types::{IncidentId, Timestamp};

/// Part of an incident's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The facts as they were last looked at.
    pub facts: Facts,
    /// By item.
    pub signatures: BTreeMap<String, Signature>,
}

/// What the store knows about an incident, as far as items are checked by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The page that was accepted first; none: none was, or paging goes to the log only.
    pub page: Option<PageFact>,
    /// Windows of this incident's decisions that say the collector gave up, oldest first.
    pub exhausted: Vec<String>,
    /// The newest message with figures since the incident opened, beside the card of its decision.
    pub figures: Option<FiguresFact>,
}

/// A page that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFact {
    pub at: Timestamp,
    /// The id of the template it was written from.
    pub template: String,
    /// The rollback command that it names; none: it was sent where nothing is rolled back.
    pub command: Option<String>,
    /// Whether the text holds the command too.
    pub in_text: bool,
}

/// A message's figures beside the dashboard's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FiguresFact {
    pub phase: String,
    /// Whether the message names the card's phase.
    pub same_phase: bool,
    /// Placeholder, as in the message, as on the card; absent where one of the two does not show it.
    pub pairs: Vec<(String, Option<f64>, Option<f64>)>,
}

/// What a person puts their name to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub by: String,
    pub at: Timestamp,
    pub comment: Option<String>,
    pub link: Option<String>,
    /// What the system's check said then.
    pub figures: Option<String>,
    /// The follow-up that stands in `reports/checklist.md` until it is done.
    pub task: Option<Task>,
}

/// A follow-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub text: String,
    pub done: Option<(String, Timestamp)>,
}

/// An incident of this rollout whose evidence is not complete, as the target remembers it (PH-5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenEvidence {
    pub incident: IncidentId,
    /// Items with their owners.
    pub missing: Vec<String>,
}

/// A follow-up that is not done, as the target remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTask {
    pub incident: IncidentId,
    pub item: String,
    pub owner: String,
    pub text: String,
    pub by: String,
    pub at: Timestamp,
}
