//! Storms: more incidents in a window than people can read one by one are told as one (NO-9).
//!
//! The first ones are told as ever. Each further one shares the page of the one that began the storm, which names them all, and
//! has no text of its own where a summary stands. A storm lasts one window; if it goes on, the next one begins.

use shared_types::{IncidentId, TargetName};

/// More incidents than so many in a window are a storm.
pub const BEYOND: usize = 10;

/// The storm in which an incident opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    /// Whose page they share; none: the one that opens begins it.
    pub begun_by: Option<StormBegun>,
    /// Keys of the summaries that were told of it, by address.
    pub told: Vec<String>,
    /// How many incidents opened in the window before this one.
    pub before: usize,
    /// Targets of those, the newest last; some where there are very many.
    pub targets: Vec<TargetName>,
}

/// The incident that began a storm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StormBegun {
    pub incident: IncidentId,
    pub page_key: String,
}

/// What a storm's summary says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StormFacts {
    /// In the window, up to the newest.
    pub incidents: usize,
    /// The newest last; not all where there are very many.
    pub targets: Vec<TargetName>,
    /// Required rollbacks wait for a person.
    pub held: bool,
}
