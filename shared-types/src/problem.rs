//! Errors over HTTP (RFC 9457).

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};
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
    /// What stands in the way, by name (409 of a promotion), or why something is not known (503 `not_known`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
}

/// What went wrong, as the last part of a problem's type. One that is not known here is a later release's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ProblemCode {
    AmbiguousVersion,
    BadGateway,
    BadRequest,
    BatchDiffers,
    Blocked,
    DecisionDiffers,
    Forbidden,
    IdempotencyKeyReused,
    IncidentState,
    Internal,
    InvalidBatch,
    InvalidBody,
    InvalidCursor,
    InvalidDecision,
    InvalidDirective,
    InvalidFixture,
    InvalidIdempotencyKey,
    InvalidInteraction,
    InvalidLimit,
    InvalidPath,
    InvalidPolicy,
    InvalidQuery,
    InvalidVersion,
    MalformedJson,
    MethodNotAllowed,
    NoApproval,
    NoEventAccepted,
    NoSuchMove,
    NotDead,
    NotFound,
    NotKnown,
    Outdated,
    PauseTooLong,
    PolicyChanged,
    RcaIncomplete,
    RcaUnreadable,
    Refused,
    SlowBody,
    Superseded,
    Timeout,
    TooLarge,
    TooManyDecisions,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnknownPhase,
    UnknownPolicy,
    UnknownTarget,
    UnreadableBody,
    UnsupportedEncoding,
    UnsupportedMediaType,
    WindowInTheFuture,
    WrongPhase,
}

impl ProblemCode {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Problem {
    /// What stands before the code in a type.
    pub const NAMESPACE: &str = "urn:phasegate:problem:";

    /// Its code, if it is one of Phasegate's that is known here.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        self.kind.strip_prefix(Self::NAMESPACE)?.parse().ok()
    }
}

/// One thing that is missing before a phase can move up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Blocker {
    /// `approval_missing`, `gate_unsatisfied`, `gate_stale`, `incident_open`, `alerts_in_phase`,
    /// `evidence_incomplete`, `hold`, `transition_running`, …
    pub code: String,
    pub detail: String,
    /// The facts that `detail` puts into words.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
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
