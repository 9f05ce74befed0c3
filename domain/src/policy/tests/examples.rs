//! The sections' examples together are a policy in order, and show every key that there is.

use serde_json::Value;
use shared_types::TargetName;

use crate::policy::render::{example, resolved};
use crate::policy::{Policy, schema};

/// PO-1
#[test]
fn the_examples_of_the_sections_are_a_policy_in_order() {
    let policy = Policy::parse(&example(), "example.yaml").unwrap();
    let names: Vec<&str> = policy.targets.keys().map(TargetName::as_str).collect();
    assert_eq!(names, ["checkout", "search"]);
    let [checkout, search] = ["checkout", "search"].map(|name| &policy.targets[&name.parse().unwrap()]);
    assert_eq!((&checkout.gate, search.notifications.daily_report.as_ref()), (&search.gate, None));
}

/// PO-3: who adds a key shows it.
#[test]
fn the_examples_show_every_key_of_the_schema() {
    let schema: Value = serde_json::from_str(&schema::schema_json()).unwrap();
    let example = example();
    let mut files = example.split("--- # targets_from: teams/search.yaml\n");
    let [mut shown, team]: [Value; 2] =
        std::array::from_fn(|_| serde_saphyr::from_str(files.next().unwrap()).unwrap());
    shown["targets"]["search"] = team["targets"]["search"].clone();
    for (key, section) in shown["templates"]["usual"].as_object().unwrap().clone() {
        shown["targets"]["checkout"][key] = section;
    }
    let mut missing = Vec::new();
    add_missing(&schema, &schema, &[&shown], "", &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "no `EXAMPLE` in domain/src/policy/section shows these");
}

/// The keys below a node of the schema that none of the values found there has.
fn add_missing(root: &Value, node: &Value, found: &[&Value], path: &str, missing: &mut Vec<String>) {
    let node = resolved(root, node);
    if node["additionalProperties"].is_object() {
        let inside: Vec<&Value> =
            found.iter().filter_map(|it| it.as_object()).flat_map(serde_json::Map::values).collect();
        return add_missing(root, &node["additionalProperties"], &inside, &format!("{path}.<name>"), missing);
    }
    if node["items"].is_object() {
        let inside: Vec<&Value> = found.iter().filter_map(|it| it.as_array()).flatten().collect();
        return add_missing(root, &node["items"], &inside, &format!("{path}[]"), missing);
    }
    let has = |key: &String| found.iter().any(|it| it.get(key).is_some());
    // Of keys in place of each other the example shows one choice.
    let choices: Vec<&Vec<Value>> =
        node["oneOf"].as_array().into_iter().flatten().filter_map(|it| it["required"].as_array()).collect();
    let chosen =
        choices.iter().any(|keys| keys.iter().filter_map(Value::as_str).all(|key| has(&key.to_owned())));
    let other_choice = |key: &String| chosen && choices.iter().any(|keys| keys.iter().any(|it| it == key));
    let described = |(_, property): &(&String, &Value)| property.is_object();
    for (key, property) in node["properties"].as_object().into_iter().flatten().filter(described) {
        let path = format!("{path}.{key}");
        if has(key) {
            let inside: Vec<&Value> = found.iter().filter_map(|it| it.get(key)).collect();
            add_missing(root, property, &inside, &path, missing);
        } else if !other_choice(key) {
            missing.push(path);
        }
    }
    // Of the kinds that a value may be the example shows one; the others have their own keys.
    for kind in node["oneOf"].as_array().into_iter().flatten() {
        let shown = kind["properties"]
            .as_object()
            .is_some_and(|keys| keys.iter().filter(described).any(|(key, _)| has(key)));
        let mut told_by = kind["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if shown && told_by.all(|key| has(&key.to_owned())) {
            add_missing(root, kind, found, path, missing);
        }
    }
}
