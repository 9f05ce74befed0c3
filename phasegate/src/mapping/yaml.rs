//! A map as it is written in a policy.

use events::map::{Preset, Rules};

/// `map:` with all that the preset does not say by itself, to stand under `collection.source`.
pub(crate) fn section(rules: &Rules, preset: Option<&Preset>) -> String {
    let given = preset.map(Preset::rules).unwrap_or_default();
    let mut lines = vec!["map:".to_owned()];
    let mut say = |line: String| lines.push(format!("  {line}"));
    if let Some(preset) = preset {
        say(format!("preset: {}", preset.key));
    }
    if let Some(wrapper) = rules.wrapper {
        say(format!("wrapper: {wrapper}"));
    }
    if let Some((path, format)) = rules.ts.as_ref().filter(|_| rules.ts != given.ts) {
        say(format!("ts: {{ path: {}, format: {format} }}", scalar(path)));
    }
    if rules.name != given.name {
        say(format!("name: {}", scalar(&rules.name)));
    }
    if let Some((path, unit)) = rules.duration.as_ref().filter(|_| rules.duration != given.duration) {
        say(format!("duration: {{ path: {}, unit: {unit} }}", scalar(path)));
    }
    let paths = [
        ("code", &rules.code, &given.code),
        ("retryable", &rules.retryable, &given.retryable),
        ("event_id", &rules.event_id, &given.event_id),
        ("session", &rules.session, &given.session),
        ("variant", &rules.variant, &given.variant),
    ];
    for (key, path, _) in paths.iter().filter(|(_, path, given)| path != given) {
        if let Some(path) = path {
            say(format!("{key}: {}", scalar(path)));
        }
    }
    if !rules.events.is_empty() {
        say("events:".to_owned());
        for (pattern, event) in &rules.events {
            say(format!("  {}: {}", scalar(&pattern.to_string()), scalar(event)));
        }
    }
    if !rules.only.is_empty() {
        say("if:".to_owned());
        for (path, patterns) in &rules.only {
            let patterns: Vec<String> = patterns.iter().map(|it| scalar(&it.to_string())).collect();
            say(format!("  {}: [{}]", scalar(path), patterns.join(", ")));
        }
    }
    if rules.others_are_unknown {
        say("others: unknown".to_owned());
    }
    if rules.ignores_text {
        say("text_lines: ignored".to_owned());
    }
    lines.join("\n")
}

/// Bare where YAML reads it as the text it is, else in quotes: a text of JSON is one of YAML too.
fn scalar(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_bare) && !is_word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
