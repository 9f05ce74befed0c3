//! Files of one JSON event a line.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};

/// The kind.
pub const KIND: SourceKind = SourceKind {
    key: "jsonl",
    schema: schema_of::<RawJsonl>,
    read,
    example: "{ paths: [\"telemetry/autosave/*.jsonl\"] }",
    docs: DOCS,
};

const DOCS: &str = "\
follows files that grow. A file is known by device and inode and by a hash of its first
256 bytes, so renaming, copy-and-truncate, replacing and truncating are all told apart; a file renamed away or
unlinked is read to its end; a half-written last line waits. A copy is another file: where rotation copies, keep the
copies out of the pattern, or give the events ids (TE-4). A directory that never existed is empty; one that
vanished after it was read from, or anything that cannot be read, is an outage (CO-5).";

/// Files of one JSON event a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawJsonl {
    /// Glob patterns, relative to the working directory.
    paths: Vec<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jsonl {
    /// Glob patterns, relative to the working directory.
    pub paths: Vec<String>,
}

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawJsonl = section.read()?;
    if raw.paths.is_empty() {
        return Err(section.at("paths").wrong("expected at least one glob pattern"));
    }
    Ok(Chosen(Arc::new(Jsonl { paths: section.texts("paths", &raw.paths)? })))
}

impl SourceSettings for Jsonl {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        format!("jsonl {}", self.paths.join(", "))
    }

    fn files(&self) -> Option<&[String]> {
        Some(&self.paths)
    }
}
