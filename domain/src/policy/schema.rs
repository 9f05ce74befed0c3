//! The JSON Schema of the policy file, generated from the raw shapes of its sections; `governance/policy.schema.json` holds it.

use std::sync::Arc;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::section::file::RawPolicy;
use crate::executors::ExecutorKind;
use crate::kinds::Kinds;
use crate::stored::pretty_text;

/// The schema as it is checked in: pretty JSON (2020-12) with a newline at its end.
#[must_use]
pub fn schema_json() -> String {
    schema_json_of(&Kinds::shipped())
}

/// The schema of a file that may name these kinds.
#[must_use]
pub fn schema_json_of(kinds: &Kinds) -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let metrics: Vec<Value> =
        kinds.metrics().iter().map(|kind| (kind.schema)(&mut generator).to_value()).collect();
    let sources = kinds
        .sources()
        .iter()
        .map(|kind| by_key(kind.key, &(kind.schema)(&mut generator).to_value()))
        .collect();
    let flag =
        |kind: &Arc<dyn ExecutorKind>| Some(by_key(kind.name(), &kind.schema(&mut generator)?.to_value()));
    let flags = kinds.executors().iter().filter_map(flag).collect();
    let mut schema = generator.into_root_schema_for::<RawPolicy>();
    let places = [("/$defs/RawMetric", metrics), ("/$defs/RawSource", sources), ("/$defs/RawFlag", flags)];
    for (place, kinds) in places {
        if let Some(place) = schema.pointer_mut(place) {
            place["oneOf"] = Value::Array(kinds);
        }
    }
    let text = pretty_text(&schema);
    // The types are called Raw… to tell them from the checked ones; readers of the schema need not care.
    format!("{}\n", text.replace("\"Raw", "\"").replace("$defs/Raw", "$defs/"))
}

/// A mapping whose one key names the kind, with its settings below.
fn by_key(key: &str, settings: &Value) -> Value {
    json!({
        "type": "object",
        "description": settings["description"],
        "properties": { key: settings },
        "required": [key],
        "additionalProperties": false,
    })
}
