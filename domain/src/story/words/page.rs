//! The page's list of these words, checked in.
//!
//! `PHASEGATE_UPDATE=1 cargo test -p domain words` writes it anew instead of comparing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shared_types::decision::Cause;
use shared_types::incident::IncidentState;
use shared_types::story::{Deed, HopKind};
use strum::IntoEnumIterator as _;

use super::blockers::{blocker, within};
use super::checks::{figure, lack};
use super::hops::hop;
use super::names::{cause, deed, incident_state, notice, truth};
use super::pair::Words;
use super::samples;
use super::standings::standing;
use crate::effects::notification::NotificationKind;
use crate::stored::plain;

/// `told.acknowledged.first`: kind and form of what is told, as the page finds them in its data.
fn form(prefix: &str, kind: &str, data: &Value) -> String {
    match data["how"].as_str() {
        Some(how) => format!("{prefix}.{kind}.{how}"),
        None => format!("{prefix}.{kind}"),
    }
}

fn words() -> BTreeMap<String, Words> {
    let mut words = BTreeMap::new();
    for it in samples::hops() {
        let (kind, (title, told)) = (HopKind::from(&it), hop(&it));
        words.insert(format!("hop.{kind}"), title);
        words.insert(form("told", kind.into(), &it.data().unwrap()), told);
    }
    for it in samples::blockers() {
        let (code, (line, blocked)) = (it.code(), blocker(&it));
        words.insert(format!("blocker.{code}"), line);
        // One that says another sentence within its own has one form; which it is `how` says for that one.
        let data = if within(&it).is_some() { Value::Null } else { plain(&it) };
        words.insert(form("blocked", code, &data), blocked);
    }
    for it in samples::standings() {
        let (sentence, action) = standing(&it);
        words.insert(format!("standing.{}", it.code()), sentence);
        if !action.en.is_empty() {
            words.insert(format!("action.{}", it.code()), action);
        }
    }
    words.extend(samples::figures().map(|it| (form("checked", "figure", &plain(&it)), figure(&it))));
    words.extend(samples::lacks().map(|it| (form("checked", "lack", &plain(&it)), lack(&it))));
    words.extend(
        IncidentState::iter().map(|it| (format!("incident_state.{}", it.as_str()), incident_state(it))),
    );
    words.extend(NotificationKind::iter().map(|it| (format!("notice.{it}"), notice(it))));
    words.extend(Deed::iter().map(|it| (format!("deed.{it}"), deed(it))));
    words.extend(Cause::iter().map(|it| (format!("cause.{}", it.as_str()), cause(it))));
    words.extend([true, false].map(|it| (format!("value.{it}"), truth(it))));
    words
}

fn module() -> String {
    let line =
        |(key, Words { en, ja }): (&String, &Words)| format!("  {}: {},\n", json!(key), json!([en, ja]));
    let lines: String = words().iter().map(line).collect();
    format!(
        "// English and Japanese, made from domain/src/story/words: PHASEGATE_UPDATE=1 cargo test -p domain words\n\
         export const story = {{\n{lines}}};\n"
    )
}

#[test]
fn the_pages_words_are_these() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reporter-svc/ui/app/words/story.mjs");
    let text = module();
    if std::env::var_os("PHASEGATE_UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{} differs: PHASEGATE_UPDATE=1 cargo test -p domain words", path.display());
}
