//! The JSON Schema of the policy file, generated from its raw shape; `governance/policy.schema.json` holds it.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::raw::RawPolicy;
use crate::kinds::Kinds;

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
    let sources: Vec<Value> = kinds
        .sources()
        .iter()
        .map(|kind| {
            let settings = (kind.schema)(&mut generator).to_value();
            let description = settings["description"].clone();
            json!({
                "type": "object",
                "description": description,
                "properties": { kind.key: settings },
                "required": [kind.key],
                "additionalProperties": false,
            })
        })
        .collect();
    let mut schema = generator.into_root_schema_for::<RawPolicy>();
    for (place, kinds) in [("/$defs/RawMetric", metrics), ("/$defs/RawSource", sources)] {
        if let Some(place) = schema.pointer_mut(place) {
            place["oneOf"] = Value::Array(kinds);
        }
    }
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    // The types are called Raw… to tell them from the checked ones; readers of the schema need not care.
    format!("{}\n", text.replace("\"Raw", "\"").replace("$defs/Raw", "$defs/"))
}
