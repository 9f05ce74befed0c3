//! Errors over HTTP (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An `application/problem+json` body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable and machine-readable, `urn:phasegate:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence of `type`.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time and what to do, in one sentence.
    pub detail: String,
    /// What stands in the way, by name (409 of a promotion).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// One thing that is missing before a phase can move up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blocker {
    /// `approval_missing`, `gate_unsatisfied`, `gate_stale`, `incident_open`, `alerts_in_phase`,
    /// `evidence_incomplete`, `hold`, `transition_running`, …
    pub code: String,
    pub detail: String,
}

/// A text that quotes what somebody sent, with what could break its line or paint a terminal escaped.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}
