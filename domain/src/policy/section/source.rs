//! `collection.source`: the kinds of places that events are read from.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::forms::texts;

/// Exactly one of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum RawSource {
    /// Files of one JSON event a line.
    Jsonl(RawJsonl),
    /// Nothing is pulled; events are pushed over HTTP.
    Http(RawHttp),
}

/// Files of one JSON event a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawJsonl {
    /// Glob patterns, relative to the working directory.
    paths: At<Vec<At<String>>>,
}

/// Nothing is pulled; events are pushed over HTTP. No further keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHttp {}

#[derive(Debug, Clone, PartialEq)]
pub enum SourcePolicy {
    /// Glob patterns, relative to the working directory.
    Jsonl { paths: Vec<String> },
    /// Pushed events only. (Push is accepted for every target; this says nothing is pulled.)
    Http,
}

pub(crate) fn check(raw: &At<RawSource>, path: &Path) -> Checked<SourcePolicy> {
    match &raw.value {
        RawSource::Http(_) => Ok(SourcePolicy::Http),
        RawSource::Jsonl(raw) => jsonl(raw, &path.key("jsonl")),
    }
}

fn jsonl(raw: &RawJsonl, path: &Path) -> Checked<SourcePolicy> {
    let path = path.key("paths");
    if raw.paths.value.is_empty() {
        return Err(raw.paths.wrong(&path, "expected at least one glob pattern"));
    }
    Ok(SourcePolicy::Jsonl { paths: texts(&raw.paths.value, &path)? })
}

/// The kind, as the file calls it.
pub(crate) fn kind(source: &SourcePolicy) -> &'static str {
    match source {
        SourcePolicy::Jsonl { .. } => "jsonl",
        SourcePolicy::Http => "http",
    }
}

/// The kind and its settings.
pub(crate) fn words(source: &SourcePolicy) -> String {
    match source {
        SourcePolicy::Jsonl { paths } => format!("{} {}", kind(source), paths.join(", ")),
        SourcePolicy::Http => kind(source).to_owned(),
    }
}
