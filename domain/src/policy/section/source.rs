//! `collection.source`: the place that events are read from, by the key that names its kind.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::kinds::{Chosen, Kinds};
use crate::policy::at::At;
use crate::policy::check::{Checked, Path, one_of};
use crate::policy::kind_section::Section;
use crate::policy::tree::{Node, Tree};
use crate::sources::SourceSettings;

/// Exactly one kind of source, with its settings.
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

pub(crate) fn check(raw: &At<RawSource>, kinds: &Kinds, path: &Path) -> Checked<Chosen<dyn SourceSettings>> {
    let (name, settings) = match &raw.value.0.0 {
        Node::Map(entries) => match entries.as_slice() {
            [(name, settings)] => (name, settings),
            [(name, _), (other, _), ..] => return Err(other.wrong(&path.key(&name.value), ONE_SOURCE)),
            [] => return Err(raw.wrong(path, ONE_SOURCE)),
        },
        _ => return Err(raw.wrong(path, ONE_SOURCE)),
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
