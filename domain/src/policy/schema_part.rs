//! The part of the JSON Schema for what need not be whole: templates, and targets that name one.
//!
//! A mapping of theirs may lack any key, and a key may hold nothing, which takes the template's away; lists are whole.

use serde_json::{Map, Value, json};

use super::section::raw_target::TEMPLATE;

const TARGET: &str = "RawTarget";
const REFERENCE: &str = "#/$defs/";
/// The names of mappings that may lack keys end with it.
const PART: &str = "Part";

/// Adds templates, and targets that name one.
pub(super) fn add(schema: &mut Value) {
    let part = part_of(schema, TARGET);
    let named = json!({ "type": "string", "description": "The template whose keys hold where this target says nothing." });
    let defs = &mut schema["$defs"];
    let properties = std::mem::take(&mut defs[TARGET]["properties"]);
    let mut first = Map::new();
    first.insert(TEMPLATE.to_owned(), named.clone());
    first.extend(properties.as_object().cloned().unwrap_or_default());
    defs[TARGET]["properties"] = Value::Object(first);
    defs[&part]["properties"][TEMPLATE] = named;
    defs["RawTemplate"]["allOf"] =
        json!([{ "$ref": format!("{REFERENCE}{part}") }, { "not": { "required": [TEMPLATE] } }]);
    let whole = json!({
        "if": { "required": [TEMPLATE] },
        "then": { "$ref": format!("{REFERENCE}{part}") },
        "else": { "$ref": format!("{REFERENCE}{TARGET}") },
    });
    replace(&mut schema["properties"]["targets"], &format!("{REFERENCE}{TARGET}"), &whole);
}

/// The definition of the same mapping, of which any key may be missing.
fn part_of(schema: &mut Value, name: &str) -> String {
    let part = format!("{name}{PART}");
    if schema["$defs"][&part].is_object() {
        return part;
    }
    let mut copy = schema["$defs"][name].clone();
    schema["$defs"][&part] = json!({});
    loosen(schema, &mut copy);
    schema["$defs"][&part] = copy;
    part
}

fn loosen(schema: &mut Value, node: &mut Value) {
    if let Some(keys) = node.as_object_mut() {
        // Which of several keys has to be there is known of the whole only.
        keys.retain(|key, _| !["required", "oneOf"].contains(&key.as_str()));
    }
    let properties = node["properties"].as_object().cloned().unwrap_or_default();
    for (key, mut property) in properties {
        loosen_value(schema, &mut property);
        let description = property.as_object_mut().and_then(|it| it.remove("description"));
        let mut any = json!({ "anyOf": [property, { "type": "null" }] });
        if let Some(description) = description {
            any["description"] = description;
        }
        node["properties"][key] = any;
    }
}

/// A value: mappings, also those with free keys, need not be whole; others are what they are.
fn loosen_value(schema: &mut Value, value: &mut Value) {
    if let Some(name) = value["$ref"].as_str().and_then(|it| it.strip_prefix(REFERENCE)).map(str::to_owned) {
        let definition = &schema["$defs"][&name];
        let is_mapping = definition["properties"].is_object() || definition["oneOf"].is_array();
        let of_texts = definition["enum"].is_array() || definition["oneOf"][0]["const"].is_string();
        if is_mapping && !of_texts {
            value["$ref"] = Value::String(format!("{REFERENCE}{}", part_of(schema, &name)));
        }
    } else if value["additionalProperties"].is_object() {
        let mut inside = std::mem::take(&mut value["additionalProperties"]);
        loosen_value(schema, &mut inside);
        value["additionalProperties"] = json!({ "anyOf": [inside, { "type": "null" }] });
    }
    for any in value.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        loosen_value(schema, any);
    }
}

/// Puts another schema in the place of each reference to a definition.
fn replace(node: &mut Value, reference: &str, by: &Value) {
    if node["$ref"] == reference {
        *node = by.clone();
        return;
    }
    match node {
        Value::Object(entries) => entries.values_mut().for_each(|it| replace(it, reference, by)),
        Value::Array(items) => items.iter_mut().for_each(|it| replace(it, reference, by)),
        _ => {}
    }
}
