//! Files of one JSON event a line.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::part::{At, Checked, Part, schema_of};

/// The kind.
pub const KIND: SourceKind = SourceKind {
    key: "jsonl",
    schema: schema_of::<RawJsonl>,
    read,
    example: "{ paths: [\"telemetry/autosave/*.jsonl\"] }",
};

/// Files of one JSON event a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawJsonl {
    /// Glob patterns, relative to the working directory.
    paths: At<Vec<At<String>>>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jsonl {
    /// Glob patterns, relative to the working directory.
    pub paths: Vec<String>,
}

fn read(part: &Part<'_>) -> Checked<Chosen<dyn SourceSettings>> {
    let raw: RawJsonl = part.read()?;
    if raw.paths.value.is_empty() {
        return Err(part.wrong_at("paths", &raw.paths, "expected at least one glob pattern"));
    }
    Ok(Chosen(Arc::new(Jsonl { paths: part.texts("paths", &raw.paths.value)? })))
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
