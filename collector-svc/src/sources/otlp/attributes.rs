//! Attributes as texts, and what tells one resource or stream from another.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

/// Characters of a text that are shown.
const SHOWN: usize = 64;

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
pub(super) fn fit(attributes: &[KeyValue], wanted: &Attributes) -> bool {
    let is_there = |key: &String, value: &String| {
        let named = attributes.iter().filter(|it| it.key == *key);
        named.filter_map(|it| it.value.as_ref()).any(|it| text(it).as_ref() == Some(value))
    };
    wanted.iter().all(|(key, value)| is_there(key, value))
}

/// So much of a text as people are shown.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
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

/// What tells some attributes from others: a number is not its text.
pub(super) fn identity_of(attributes: &[KeyValue]) -> String {
    let mut all: Vec<String> = attributes.iter().map(|it| format!("{}\0{:?}", it.key, it.value)).collect();
    all.sort_unstable();
    identity(all.iter().map(String::as_str))
}
