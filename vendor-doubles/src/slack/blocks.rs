//! What Slack refuses in blocks. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rules::Refusal;

const INVALID: Refusal = Refusal::Error("invalid_blocks");

/// Checks the blocks that may come: sections and actions with buttons.
pub(super) fn check(blocks: &Value) -> Result<(), Refusal> {
    let blocks = blocks.as_array().ok_or(Refusal::Error("invalid_blocks_format"))?;
    if blocks.len() > 50 {
        return Err(INVALID);
    }
    blocks.iter().try_for_each(|block| match block["type"].as_str() {
        Some("section") => text(&block["text"], &["mrkdwn", "plain_text"], 3000),
        Some("actions") => actions(&block["elements"]),
        _ => Err(INVALID),
    })
}

fn actions(elements: &Value) -> Result<(), Refusal> {
    let elements = elements.as_array().ok_or(INVALID)?;
    if !(1..=25).contains(&elements.len()) {
        return Err(INVALID);
    }
    let mut ids = BTreeSet::new();
    for element in elements {
        text(&element["text"], &["plain_text"], 75)?;
        let style = element.get("style").is_none_or(|it| it == "primary" || it == "danger");
        let value = element.get("value").is_none_or(|it| bounded(it, 2000));
        if element["type"] != "button" || !style || !value || !bounded(&element["action_id"], 255) {
            return Err(INVALID);
        }
        if !ids.insert(element["action_id"].to_string()) {
            return Err(INVALID);
        }
    }
    Ok(())
}

fn text(it: &Value, kinds: &[&str], longest: usize) -> Result<(), Refusal> {
    let kind = it["type"].as_str().is_some_and(|kind| kinds.contains(&kind));
    if kind && bounded(&it["text"], longest) { Ok(()) } else { Err(INVALID) }
}

fn bounded(it: &Value, longest: usize) -> bool {
    it.as_str().is_some_and(|text| (1..=longest).contains(&text.chars().count()))
}
