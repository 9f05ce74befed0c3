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
follows files that grow. A file is known by device, inode and time of creation, and by hashes of its first
256 bytes and of the 1,024 before the place where it is read on, so renaming, copy-and-truncate, replacing, rewriting
and truncating are all told apart; zero bytes before a line, as a writer leaves them in a file that was truncated under
it, are passed over; a half-written last line waits. A file renamed away or unlinked is read to its end, by its handle
until it is quiet, by its path, and in the directories around where it was last seen, also after a restart. One that is
found no more, or was written anew with bytes unread, is lost: told once, with its name and bytes as far as they are known
(`source.lost`: the log, `/readyz` for a day, `GET /v1/targets/{target}`, the batch, `status`, the page,
`phasegate_source_lost_total`); not told is a file that had been read to its end a day before. What is written between
two looks, a second apart at most, and then cut off in place was seen by nobody: rotate by renaming. A copy is another
file: where rotation copies, keep the copies out of the pattern, or give the events ids (TE-4). A path that cannot be
read is named (`/readyz`, the log) and left out, and the others go on. A directory that never existed is empty; one that
vanished after it was read from, or nothing that can be read, is an outage (CO-5).";

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
