//! The JSON Schema of a batch line, made from the types (CO-3). The one that is checked in is
//! `schema/batch.schema.json`; a test holds the two equal, so that no change of the lines goes unnoticed.

use domain::stored::{plain, pretty_text};
use serde_json::{Value, json};
use shared_types::Batch;
use utoipa::{PartialSchema as _, ToSchema as _};

/// The schema as it is checked in: pretty-printed, with a newline at its end.
#[must_use]
pub fn batch_schema_text() -> String {
    let mut text = pretty_text(&batch_schema());
    text.push('\n');
    text
}

/// JSON Schema 2020-12 of one line of `logs/<target>/….jsonl`.
#[must_use]
pub fn batch_schema() -> Value {
    let mut parts = Vec::new();
    Batch::schemas(&mut parts);
    parts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let definitions: serde_json::Map<String, Value> =
        parts.into_iter().map(|(name, schema)| (name, plain(&schema))).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:phasegate:schema:batch:1",
        "title": "Phasegate batch, one line of a batch file",
    });
    let batch = plain(&Batch::schema());
    if let (Some(schema), Value::Object(batch)) = (schema.as_object_mut(), batch) {
        schema.extend(batch);
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    point_to_definitions(&mut schema);
    schema
}

/// OpenAPI keeps its schemas elsewhere.
fn point_to_definitions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/components/schemas/", "#/$defs/");
            }
            fields.values_mut().for_each(point_to_definitions);
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_definitions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
