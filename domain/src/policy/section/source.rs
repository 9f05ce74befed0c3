//! `collection.source`: the place that events are read from, by the key that names its kind.

use std::borrow::Cow;
use std::sync::Arc;

use events::map::Map;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::map;
use crate::kinds::{Chosen, Kinds};
use crate::policy::at::At;
use crate::policy::check::{Checked, Path, one_of};
use crate::policy::kind_section::Section;
use crate::policy::tree::{Node, Plain, Tree};
use crate::sources::SourceSettings;

/// Exactly one kind of source with its settings, and beside it perhaps how its lines are read.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawSource(Tree);

/// The kinds are filled in by `schema`.
impl JsonSchema for RawSource {
    fn schema_name() -> Cow<'static, str> {
        "RawSource".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Exactly one of them." })
    }
}

const ONE_SOURCE: &str = "expected one source with its settings, such as { http: {} }";

/// The key beside the kind that says how its lines are read.
pub(crate) const MAP: &str = "map";

/// The settings of a kind.
pub(crate) fn settings(raw: &At<RawSource>, kind: &str, path: &Path) -> Option<Section> {
    let Node::Map(entries) = &raw.value.0.0 else { return None };
    let (_, settings) = entries.iter().find(|(name, _)| name.value == kind)?;
    Some(Section::new(settings, &path.key(kind).text()))
}

/// What says how lines are read, where they are not the product's own.
pub(crate) fn map_section(raw: &At<RawSource>, path: &Path) -> Option<Section> {
    settings(raw, MAP, path).filter(|section| !matches!(section.value, Node::Plain(Plain::Null, _)))
}

/// How lines are read, where they are not the product's own.
pub(crate) fn check_map(raw: &At<RawSource>, path: &Path) -> Checked<Option<Arc<Map>>> {
    map_section(raw, path).map(|section| map::read(&section)).transpose()
}

pub(crate) fn check(raw: &At<RawSource>, kinds: &Kinds, path: &Path) -> Checked<Chosen<dyn SourceSettings>> {
    let Node::Map(entries) = &raw.value.0.0 else { return Err(raw.wrong(path, ONE_SOURCE)) };
    let mut sources = entries.iter().filter(|(name, _)| name.value != MAP);
    let (name, settings) = match (sources.next(), sources.next()) {
        (Some((name, settings)), None) => (name, settings),
        (Some((name, _)), Some((other, _))) => return Err(other.wrong(&path.key(&name.value), ONE_SOURCE)),
        (None, _) => return Err(raw.wrong(path, ONE_SOURCE)),
    };
    let Some(kind) = kinds.sources().iter().find(|kind| kind.key == name.value) else {
        let supported = one_of(&kinds.sources().iter().map(|kind| kind.key).collect::<Vec<_>>());
        let message =
            format!("source `{}` is not supported in this version; supported: {supported}", name.value);
        return Err(name.wrong(path, message));
    };
    let path = path.key(kind.key);
    if !matches!(settings.value.0, Node::Map(_)) {
        return Err(settings.wrong(&path, ONE_SOURCE));
    }
    (kind.read)(&Section::new(settings, &path.text()))
}
