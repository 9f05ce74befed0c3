//! Fills a text of the word lists from facts. The page fills the same texts by the same two rules.
//!
//! `{name}` is the fact of that name. `[shown|otherwise]` is `shown` if all its places have a fact, else `otherwise`, which may
//! be left out. No fact: absent, null, an empty text or list. Sections do not nest.

use std::time::Duration;

use serde_json::Value;
use shared_types::Window;

use crate::story::figures::format_duration;

/// The text with its places filled in.
#[must_use]
pub(super) fn fill(template: &str, facts: &Value) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, section)) = rest.split_once('[') {
        text.push_str(&places(before, facts).0);
        let (section, after) = section.split_once(']').unwrap_or((section, ""));
        let (shown, otherwise) = section.split_once('|').unwrap_or((section, ""));
        let (filled, whole) = places(shown, facts);
        text.push_str(&if whole { filled } else { places(otherwise, facts).0 });
        rest = after;
    }
    text + &places(rest, facts).0
}

/// The text, and whether each of its places has a fact.
fn places(template: &str, facts: &Value) -> (String, bool) {
    let (mut text, mut whole, mut rest) = (String::new(), true, template);
    while let Some((before, place)) = rest.split_once('{') {
        let (name, after) = place.split_once('}').unwrap_or((place, ""));
        let fact = facts.get(name).map(|it| shown(name, it)).filter(|it| !it.is_empty());
        whole &= fact.is_some();
        text.push_str(before);
        text.push_str(&fact.unwrap_or_default());
        rest = after;
    }
    (text + rest, whole)
}

fn shown(name: &str, fact: &Value) -> String {
    match fact {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(ms) if name.ends_with("_ms") => {
            format_duration(Duration::from_millis(ms.as_u64().unwrap_or(0)))
        }
        Value::Array(items) => {
            let between = match name {
                "command" => " ",
                "any_of" => " or ",
                _ => ", ",
            };
            items.iter().map(|it| shown("", it)).collect::<Vec<_>>().join(between)
        }
        Value::Object(_) => serde_json::from_value::<Window>(fact.clone())
            .map_or_else(|_| fact.to_string(), |it| it.to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: &str) {
        let facts = json!({
            "by": "ana", "n": 3, "no": null, "none": [], "list": ["a", "b"], "command": ["flags", "set"], "rest_ms": 90_000,
            "window": {"start": "2026-11-22T10:00:00Z", "end": "2026-11-22T10:15:00Z"}, "any_of": ["sre", "gov"],
        });
        assert_eq!(fill(template, &facts), expected);
    }

    #[test]
    fn a_place_is_its_fact() {
        check("{by} did {n} of {list}", "ana did 3 of a, b");
        check("{command} for {rest_ms} by {any_of}", "flags set for 1m 30s by sre or gov");
        check("window {window}", "window 2026-11-22T10:00Z/10:15Z");
    }

    #[test]
    fn a_section_needs_all_its_facts() {
        check("{n}[ by {by}][: {no}]", "3 by ana");
        check("[{none}|{by}] and [{by} {absent}|nobody]", "ana and nobody");
    }

    #[test]
    fn what_a_fact_quotes_is_no_template() {
        assert_eq!(fill("{by}: {why}", &json!({"by": "{why} [x]", "why": "|"})), "{why} [x]: |");
    }
}
