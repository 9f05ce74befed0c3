//! An entry of `metrics`: what it is made from, by the key that names its kind, and the unit it is shown in.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::gate::metric::{MetricKind, Shown};
use crate::kinds::Kinds;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::kind_section::Section;
use crate::policy::tree::{Node, Tree};

/// One kind of metric, with the keys that belong to it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawMetric(pub(super) Tree);

/// The kinds are filled in by `schema`.
impl JsonSchema for RawMetric {
    fn schema_name() -> Cow<'static, str> {
        "RawMetric".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "One kind of metric: the key that names it, and those that belong to it." })
    }
}

/// Which kind it is; keys of another kind are refused rather than ignored.
pub(crate) fn read<'k>(
    raw: &At<Tree>,
    kinds: &'k Kinds,
    window: Duration,
    path: &Path,
) -> Checked<(&'k MetricKind, Shown)> {
    let tree = &raw.value;
    let Node::Map(entries) = &tree.0 else { return Err(raw.wrong(path, "expected a mapping")) };
    let kinds = kinds.metrics();
    let mut named = kinds.iter().filter(|kind| entries.iter().any(|(key, _)| key.value == kind.key));
    let (Some(kind), None) = (named.next(), named.next()) else {
        let all = all_of(&kinds.iter().map(|kind| kind.key).collect::<Vec<_>>());
        return Err(raw.wrong(path, format!("expected exactly one of {all}")));
    };
    let section = Section::of(tree, (raw.line, raw.column), &path.text());
    let shown = (kind.read)(&section, window).map_err(|wrong| {
        let belongs_elsewhere = |key: &str| {
            let mut others = kinds.iter().filter(|other| other.key != kind.key);
            !has_key(kind, key) && others.any(|other| has_key(other, key))
        };
        let strange = entries.iter().find(|(key, _)| belongs_elsewhere(&key.value));
        strange.map_or(wrong, |(key, place)| {
            place.wrong(&path.key(&key.value), "does not belong to this kind of metric")
        })
    })?;
    names_no_variant(&shown, &section)?;
    Ok((kind, shown))
}

/// What stands behind an `@` is a variant (JU-9): an event of such a name would be counted with the twin of another.
fn names_no_variant((metric, _): &Shown, section: &Section) -> Checked<()> {
    let needs = metric.needs();
    let Some(event) = needs.iter().find(|event| event.name.contains('@')) else { return Ok(()) };
    let place = section.place_of(&event.name).unwrap_or(section);
    Err(place.wrong(format!(
        "expected the name of an event without `@`, found `{}`: `<event>@<variant>` is how events of a variant are counted",
        event.name
    )))
}

/// Whether a kind's section has a key, by its schema.
fn has_key(kind: &MetricKind, key: &str) -> bool {
    let schema = (kind.schema)(&mut SchemaGenerator::default());
    let keys = schema.get("properties").and_then(serde_json::Value::as_object);
    keys.is_some_and(|keys| keys.contains_key(key))
}

fn all_of(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        quoted => quoted.concat(),
    }
}
