//! The audit log's chain: what a row's hash is made of.
//!
//! Pure. A service's store writes rows, whoever verifies them needs nothing but this and the rows.

mod canonical;
pub mod seal;
pub mod streams;
pub mod verify;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared_types::audit::stream_of;
use shared_types::{Actor, AuditEntry, TargetName, Timestamp};

use shared_types::story::Deed;

pub use canonical::canonical;

/// What stands before a stream's first row.
pub const GENESIS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// An act, before it has its place in a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    pub actor: Actor,
    pub action: Deed,
    pub subject: Option<String>,
    pub detail: Value,
}

impl AuditDraft {
    /// The row behind `last`, the stream's newest one: its seq and hash.
    #[must_use]
    pub fn after(
        self,
        last: Option<(u64, String)>,
        target: Option<&TargetName>,
        at: Timestamp,
    ) -> AuditEntry {
        let (seq, prev_hash) = last.unwrap_or_else(|| (0, GENESIS.to_owned()));
        let mut entry = AuditEntry {
            stream: stream_of(target).to_owned(),
            seq: seq + 1,
            at,
            actor: self.actor,
            action: self.action.to_string(),
            target: target.map(ToString::to_string),
            subject: self.subject,
            detail: self.detail,
            prev_hash,
            hash: String::new(),
        };
        entry.hash = hash_of(&entry);
        entry
    }
}

/// SHA-256 of the canonical JSON of all fields but `hash`, as `sha256:<hex>`.
#[must_use]
pub fn hash_of(entry: &AuditEntry) -> String {
    sha256(&hashed(entry))
}

/// What a row's hash is of.
fn hashed(entry: &AuditEntry) -> String {
    let AuditEntry { stream, seq, at, actor, action, target, subject, detail, prev_hash, hash: _ } = entry;
    canonical(&json!({
        "stream": stream,
        "seq": seq,
        "at": at,
        "actor": actor,
        "action": action,
        "target": target,
        "subject": subject,
        "detail": detail,
        "prev_hash": prev_hash,
    }))
}

/// SHA-256 of a value's canonical JSON, as `sha256:<hex>`.
#[must_use]
pub fn digest(value: &Value) -> String {
    sha256(&canonical(value))
}

fn sha256(text: &str) -> String {
    let hex: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GO-4: what the documentation shows is what the code does.
    #[test]
    fn the_documented_example_comes_out_as_it_stands_there() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.md");
        let page = std::fs::read_to_string(page).unwrap();
        let block = |name: &str| {
            let (_, rest) = page.split_once(&format!("```{name}\n")).unwrap();
            rest.split_once("\n```").unwrap().0.to_owned()
        };
        let rows: Vec<AuditEntry> =
            block("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 2);
        let mut walk = verify::Walk::new("autosave", rows[1].at);
        walk.chain(&rows);
        let verdict = walk.verdict();
        assert_eq!((verdict.rows, verdict.fault), (2, None));
        let mut shown = serde_json::to_value(&rows[1]).unwrap();
        shown.as_object_mut().unwrap().remove("hash");
        assert_eq!(canonical(&shown), block("text"));
    }
}
