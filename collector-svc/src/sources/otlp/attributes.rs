//! Attributes as texts, and what tells one resource or stream from another.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

/// By key.
pub(super) type Attributes = BTreeMap<String, String>;

/// Those that are there.
pub(super) fn of(attributes: &[KeyValue]) -> Attributes {
    let text = |it: &KeyValue| Some((it.key.clone(), text(it.value.as_ref()?)?));
    attributes.iter().filter_map(text).collect()
}

/// A value as a text; none of one that has no value.
pub(super) fn text(value: &AnyValue) -> Option<String> {
    match json(value) {
        Json::Null => None,
        Json::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// A value as JSON.
pub(super) fn json(value: &AnyValue) -> Json {
    match &value.value {
        Some(Value::StringValue(it)) => Json::from(it.as_str()),
        Some(Value::BoolValue(it)) => Json::from(*it),
        Some(Value::IntValue(it)) => Json::from(*it),
        Some(Value::DoubleValue(it)) => Json::from(*it),
        Some(Value::ArrayValue(it)) => it.values.iter().map(json).collect(),
        Some(Value::KvlistValue(it)) => Json::Object(object(&it.values)),
        // Nothing that is counted or told apart by it.
        Some(Value::BytesValue(_) | Value::StringValueStrindex(_)) | None => Json::Null,
    }
}

/// The attributes as an object of JSON.
pub(super) fn object(attributes: &[KeyValue]) -> Map<String, Json> {
    attributes.iter().filter_map(|it| Some((it.key.clone(), json(it.value.as_ref()?)))).collect()
}

/// Whether all that are wanted are there, with their values.
pub(super) fn fit(attributes: &Attributes, wanted: &Attributes) -> bool {
    wanted.iter().all(|(key, value)| attributes.get(key) == Some(value))
}

/// What tells some texts from others, whatever they contain.
pub(super) fn identity<'t>(parts: impl IntoIterator<Item = &'t str>) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("{:032x}", xxh3_128(&bytes))
}

/// The texts of attributes, in order.
pub(super) fn parts(attributes: &Attributes) -> impl Iterator<Item = &str> {
    attributes.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()])
}
