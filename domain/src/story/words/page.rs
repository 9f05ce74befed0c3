//! The page's word lists, made from these: one file a language, checked in.
//!
//! `PHASEGATE_UPDATE=1 cargo test -p domain words` writes them anew instead of comparing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shared_types::decision::Cause;
use shared_types::story::{Deed, Hop, HopKind};
use strum::IntoEnumIterator as _;

use super::{en, ja, samples};
use crate::effects::notification::NotificationKind;
use crate::rollout::blocker::{Blocker, BlockerCode};
use crate::rollout::evidence::{Figure, Lack};
use crate::stored::plain;

/// A language, as functions.
struct Language {
    hop_title: fn(HopKind) -> &'static str,
    hop: fn(&Hop) -> &'static str,
    blocker_line: fn(BlockerCode) -> &'static str,
    blocker: fn(&Blocker) -> &'static str,
    figure: fn(&Figure) -> &'static str,
    lack: fn(&Lack) -> &'static str,
    notice: fn(NotificationKind) -> &'static str,
    deed: fn(Deed) -> &'static str,
    cause: fn(Cause) -> &'static str,
    truth: fn(bool) -> &'static str,
}

const ENGLISH: Language = Language {
    hop_title: en::hop_title,
    hop: en::hop,
    blocker_line: en::blocker_line,
    blocker: en::blocker,
    figure: en::figure,
    lack: en::lack,
    notice: en::notice,
    deed: en::deed,
    cause: en::cause,
    truth: en::truth,
};

const JAPANESE: Language = Language {
    hop_title: ja::hop_title,
    hop: ja::hop,
    blocker_line: ja::blocker_line,
    blocker: ja::blocker,
    figure: ja::figure,
    lack: ja::lack,
    notice: ja::notice,
    deed: ja::deed,
    cause: ja::cause,
    truth: ja::truth,
};

/// `told.acknowledged.first`: kind and form of what is told, as the page finds them in its data.
fn form(prefix: &str, kind: &str, data: &Value) -> String {
    match data["how"].as_str() {
        Some(how) => format!("{prefix}.{kind}.{how}"),
        None => format!("{prefix}.{kind}"),
    }
}

fn words(language: &Language) -> BTreeMap<String, &'static str> {
    let mut words = BTreeMap::new();
    for kind in HopKind::iter().filter(|it| *it != HopKind::Told) {
        words.insert(format!("hop.{kind}"), (language.hop_title)(kind));
    }
    for hop in samples::hops() {
        let kind = HopKind::from(&hop).to_string();
        words.insert(form("told", &kind, &hop.data().unwrap()), (language.hop)(&hop));
    }
    for code in BlockerCode::iter() {
        words.insert(format!("blocker.{}", <&str>::from(code)), (language.blocker_line)(code));
    }
    for blocker in samples::blockers() {
        let data = serde_json::to_value(&blocker).unwrap();
        words.insert(form("blocked", blocker.code(), &data), (language.blocker)(&blocker));
    }
    for figure in samples::figures() {
        words.insert(form("checked", "figure", &plain(&figure)), (language.figure)(&figure));
    }
    for lack in samples::lacks() {
        words.insert(form("checked", "lack", &plain(&lack)), (language.lack)(&lack));
    }
    words.extend(NotificationKind::iter().map(|it| (format!("notice.{it}"), (language.notice)(it))));
    words.extend(Deed::iter().map(|it| (format!("deed.{it}"), (language.deed)(it))));
    for cause in Cause::iter() {
        words.insert(format!("cause.{}", cause.as_str()), (language.cause)(cause));
    }
    words.extend([true, false].map(|it| (format!("value.{it}"), (language.truth)(it))));
    words
}

fn module(name: &str, language: &Language) -> String {
    let lines: String =
        words(language).iter().map(|(key, text)| format!("  {}: {},\n", json!(key), json!(text))).collect();
    format!(
        "// Made from domain/src/story/words: PHASEGATE_UPDATE=1 cargo test -p domain words\nexport const {name} = {{\n{lines}}};\n"
    )
}

#[test]
fn the_pages_words_are_these() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reporter-svc/ui/app/words");
    for (name, language) in [("en", ENGLISH), ("ja", JAPANESE)] {
        let (path, text) = (folder.join(format!("story.{name}.mjs")), module(name, &language));
        if std::env::var_os("PHASEGATE_UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "{} differs: PHASEGATE_UPDATE=1 cargo test -p domain words", path.display());
    }
}
