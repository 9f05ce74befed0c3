//! The audit log: who did what, when, each row chained to the one before it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoStaticStr};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::story::Deed;
use crate::{TargetName, Timestamp};

/// The stream of acts that belong to no target. No target can be named so.
pub const SERVICE_STREAM: &str = "@service";

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// A person or a service; `phasegate` where it acts by itself.
    pub name: String,
    /// The roles held when it was done.
    pub roles: BTreeSet<String>,
    pub via: Via,
    /// Whether a credential proved the name. If not, it is what the caller said of itself.
    pub verified: bool,
}

/// By which way an act came in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case", from = "String")]
#[strum(serialize_all = "snake_case")]
pub enum Via {
    /// The HTTP API: the command line and the web page too.
    Api,
    Slack,
    Pagerduty,
    Analyzer,
    Collector,
    /// Phasegate itself: a timer, a command that ended, a policy file that changed.
    Phasegate,
    /// Nothing this version knows; no row is written with it.
    Unknown,
}

impl Via {
    /// As on the wire and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<String> for Via {
    fn from(text: String) -> Self {
        text.parse().unwrap_or(Self::Unknown)
    }
}

impl Default for Actor {
    fn default() -> Self {
        Self::phasegate()
    }
}

impl Actor {
    /// Phasegate itself.
    #[must_use]
    pub fn phasegate() -> Self {
        Self::service("phasegate", Via::Phasegate)
    }

    /// Somebody whose name a signature or a trusted neighbour vouches for, not a token.
    #[must_use]
    pub fn service(name: &str, via: Via) -> Self {
        Self { name: name.to_owned(), roles: BTreeSet::new(), via, verified: true }
    }
}

/// One row. `hash` is the SHA-256 of the canonical JSON (RFC 8785) of all other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// A target, or `@service`.
    pub stream: String,
    /// 1, 2, 3 … within the stream, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub actor: Actor,
    /// `rollout.promote`, `incident.acknowledged`, `command.failed`, …
    pub action: String,
    pub target: Option<String>,
    /// What it is about: an incident, a decision, a transition, an effect, a policy version.
    pub subject: Option<String>,
    /// What was asked for or happened, and what followed from it.
    pub detail: serde_json::Value,
    /// `hash` of the row before; of the first one 64 zeros.
    pub prev_hash: String,
    pub hash: String,
}

/// An act at a collector, told to the reporter, which keeps the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectorAct {
    /// New for each act; the same each time it is told.
    pub id: Uuid,
    pub target: TargetName,
    pub kind: CollectorActKind,
    /// When it was done.
    pub at: Timestamp,
    /// Until when no windows are closed; null where closing goes on.
    pub paused_until: Option<Timestamp>,
    /// Who did it, as the collector knows them; the collector itself at the end of a pause.
    pub actor: Actor,
}

/// The kinds of [`CollectorAct`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CollectorActKind {
    /// No windows are closed for a while.
    #[serde(rename = "collector.pause")]
    Pause,
    /// Windows are closed again: somebody asked for it, or the pause was over.
    #[serde(rename = "collector.resume")]
    Resume,
}

impl CollectorActKind {
    /// Under which name it stands in the log.
    #[must_use]
    pub fn deed(self) -> Deed {
        match self {
            Self::Pause => Deed::CollectorPause,
            Self::Resume => Deed::CollectorResume,
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumIter, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FaultKind {
    /// Its fields do not give its hash.
    Edited,
    /// It is not there, later ones are.
    Missing,
    /// Another row stands in its place.
    Reordered,
    /// The row before it was replaced by one whose hash fits its own fields.
    Unlinked,
    /// It and all after it are gone: the archive goes on.
    Truncated,
    /// It fits the chain, but the archive holds another: the table was written anew from here on.
    Rewritten,
    /// The archive does not hold it.
    ArchiveMissing,
    /// Its copy in the archive was edited.
    ArchiveEdited,
    /// Nobody opened the stream: the service's own stream does not name it (OP-9).
    Unopened,
    /// A signature names another row here, or does not hold itself (OP-9).
    Unsealed,
}

impl FaultKind {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Where a stream goes wrong: the first row of which something does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFault {
    pub seq: u64,
    pub kind: FaultKind,
    /// One sentence for people.
    pub detail: String,
}

/// What verifying a stream found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamVerification {
    pub stream: String,
    pub ok: bool,
    /// Rows that hold, before the first that does not.
    pub rows: u64,
    /// The last of them; 0 without one.
    pub last_seq: u64,
    /// Its hash: what the stream can be compared with elsewhere.
    pub head: Option<String>,
    /// Rows that agree with their copy in the archive.
    pub archived: u64,
    /// Young rows that the archive does not hold yet.
    pub unarchived: u64,
    /// The last row that a signature covers; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<u64>,
    pub fault: Option<AuditFault>,
}

/// How far the streams went at a moment, signed where the reporter has a key (OP-9). What is signed is the canonical JSON
/// (RFC 8785) of all but `key` and `signature`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditSeal {
    /// `phasegate.audit-seal/1`
    pub schema: String,
    pub at: Timestamp,
    /// Of rows of this time or later.
    pub from: Option<Timestamp>,
    /// Of rows before this time.
    pub to: Option<Timestamp>,
    /// By stream.
    pub heads: Vec<AuditHead>,
    /// The public key, Ed25519, in hexadecimal; null: there is none, and nothing is proven.
    pub key: Option<String>,
    /// In hexadecimal.
    pub signature: Option<String>,
}

/// The span of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    pub stream: String,
    pub first_seq: u64,
    pub last_seq: u64,
    /// Of the last row.
    pub hash: String,
}

/// What verifying the audit log found: a page of streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// Whether every stream of this page holds.
    pub ok: bool,
    pub verified_at: Timestamp,
    pub items: Vec<StreamVerification>,
    /// Give it back as `cursor` for the streams after these; null on the last page.
    pub next: Option<String>,
}

/// The stream of a target's acts.
#[must_use]
pub fn stream_of(target: Option<&TargetName>) -> &str {
    target.map_or(SERVICE_STREAM, TargetName::as_str)
}
