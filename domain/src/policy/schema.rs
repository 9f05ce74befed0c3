//! The JSON Schema of the policy file, generated from the raw shapes of its sections; `governance/policy.schema.json` holds it.

use std::sync::Arc;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::schema_part;
use super::section::control;
use super::section::file::RawPolicy;
use super::section::map::RawMap;
use super::section::source;
use crate::executors::ExecutorKind;
use crate::gate::metric::MetricKind;
use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::stored::pretty_text;

/// Where addresses stand, and whether they have to be such that somebody can act there.
const ADDRESSES: [(&str, bool); 3] = [
    ("/$defs/RawNotification/properties/channel", false),
    ("/$defs/RawNotifications/properties/escalation_channel", true),
    ("/$defs/RawDailyReport/properties/channel", false),
];

/// The schema as it is checked in: pretty JSON (2020-12) with a newline at its end.
#[must_use]
pub fn schema_json() -> String {
    schema_json_of(&Kinds::shipped())
}

/// The schema of a file that may name these kinds.
#[must_use]
pub fn schema_json_of(kinds: &Kinds) -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let metric = |kind: &MetricKind| {
        let mut schema = (kind.schema)(&mut generator).to_value();
        if kind.has_attempts {
            schema["properties"][control::KEY] = control::schema();
        }
        schema
    };
    let metrics: Vec<Value> = kinds.metrics().iter().map(metric).collect();
    let sources = kinds
        .sources()
        .iter()
        .map(|kind| {
            let mut source = by_key(kind.key, &(kind.schema)(&mut generator).to_value());
            // What it is says the node above.
            source["properties"][source::MAP] = json!(true);
            source
        })
        .collect();
    let flag =
        |kind: &Arc<dyn ExecutorKind>| Some(by_key(kind.name(), &kind.schema(&mut generator)?.to_value()));
    let flags = kinds.executors().iter().filter_map(flag).collect();
    let map = generator.subschema_for::<RawMap>().to_value();
    let mut schema = generator.into_root_schema_for::<RawPolicy>().to_value();
    schema["$defs"]["RawSource"]["properties"] = json!({ source::MAP: map });
    let places = [("/$defs/RawMetric", metrics), ("/$defs/RawSource", sources), ("/$defs/RawFlag", flags)];
    for (place, kinds) in places {
        if let Some(place) = schema.pointer_mut(place) {
            place["oneOf"] = Value::Array(kinds);
        }
    }
    for (place, asking) in ADDRESSES {
        if let Some(description) = schema.pointer_mut(place).and_then(|it| it.get_mut("description")) {
            let said = description.as_str().unwrap_or_default().trim_end_matches('.');
            *description = json!(format!("{said}: {}.", Address::expected(kinds, asking)));
        }
    }
    schema_part::add(&mut schema);
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
