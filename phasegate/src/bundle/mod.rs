//! The bundle: a part of the audit log with all that its decisions were made from, in one file that can be verified
//! without any service (GO-4, SLO-10).
//!
//! One JSON object a line, each with its `kind`: the header first, then the reporter's seal, policies, batches, decisions and rows.

mod export;
#[cfg(test)]
mod tests;
mod verify;

use serde::{Deserialize, Serialize};
use shared_types::audit::AuditSeal;
use shared_types::{AuditEntry, Batch, Decision, TargetName, Timestamp};
use uuid::Uuid;

pub(crate) use export::export;
pub(crate) use verify::{BundleReport, verify};

/// The value of [`Header::schema`] written by this version.
pub(crate) const SCHEMA: &str = "phasegate.audit-bundle/1";

/// What is exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// None: all of them.
    pub(crate) target: Option<TargetName>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl Span {
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) schema: String,
    pub(crate) exported_at: Timestamp,
    pub(crate) span: Span,
    pub(crate) streams: Vec<Part>,
    /// Decisions of the span; those from before it that means look back at are not counted.
    pub(crate) decisions: u64,
    /// When the oldest window began whose decision was still kept.
    pub(crate) decisions_from: Option<Timestamp>,
    pub(crate) policies: u64,
}

/// Which rows of a stream are in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) stream: String,
    pub(crate) rows: u64,
    /// 0 without rows.
    pub(crate) last_seq: u64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub(crate) enum Line {
    Header(Header),
    Seal { seal: AuditSeal },
    Policy { version: String, text: String },
    Batch { decision_id: Uuid, batch: Batch },
    Decision { decision: Decision },
    Row { row: AuditEntry },
}
