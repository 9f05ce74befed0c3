//! What is known of an effect that was given up (NO-7).

use shared_types::IncidentId;
use shared_types::story::hop::ToldBy;

/// An effect that nobody tries any more, and the way in which people learn of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Its row, by which a person has it tried again.
    pub effect: String,
    /// Of its row.
    pub kind: String,
    pub lane: String,
    /// The incident it belonged to.
    pub incident: Option<IncidentId>,
    /// What was said at the last attempt.
    pub reason: String,
    pub told: ToldBy,
}
