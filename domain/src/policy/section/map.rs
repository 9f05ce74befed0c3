//! `collection.source.map`: how an app's own log lines are read as events (TE-7).

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use events::map::{Map, PRESETS, Pattern, Preset, Rules, TimeFormat, Unit, Wrapper};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::policy::Wrong;
use crate::policy::check::one_of;
use crate::policy::kind_section::{Section, Text};

/// How lines of another shape are read, pushed ones too. A path is the keys on the way to a value, with dots between them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMap {
    /// A logger's usual places; what is said beside it goes before it.
    preset: Option<Text>,
    /// What a container's runtime has written around each line: `docker` or `cri`.
    wrapper: Option<Text>,
    /// Where the time stands.
    ts: Option<RawTime>,
    /// The path whose value names the event.
    name: Option<Text>,
    /// What its values mean: from a pattern to the event of a metric. A whole value counts before a beginning, a longer
    /// beginning before a shorter.
    #[serde(default)]
    events: BTreeMap<String, Text>,
    /// Whether lines with any other value are `ignored` (shipped) or counted as `unknown` events.
    others: Option<Text>,
    /// Where the duration stands; an event of a metric that asks for one must have it.
    duration: Option<RawSpan>,
    /// Path of an error's code, a text or a number.
    code: Option<Text>,
    /// Path of whether an error may be tried again.
    retryable: Option<Text>,
    /// Path of the id under which an event counts once.
    event_id: Option<Text>,
    /// Path of the session.
    session: Option<Text>,
    /// Path of the variant.
    variant: Option<Text>,
    /// Lines are ignored unless the value at each of these paths fits its pattern, or one of a list.
    #[serde(default, rename = "if")]
    only: BTreeMap<String, RawPatterns>,
    /// Whether lines that are no JSON object at all are `malformed` (shipped) or `ignored`.
    text_lines: Option<Text>,
}

/// Where the time stands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTime {
    /// Its path.
    path: Text,
    /// `rfc3339` (shipped), `epoch_s`, `epoch_ms`, `epoch_us` or `epoch_ns`; a number may be written as a text.
    format: Option<Text>,
}

/// Where the duration stands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSpan {
    /// Its path.
    path: Text,
    /// `ns`, `us`, `ms` (shipped) or `s`; a text such as `1.5s` says its own.
    unit: Option<Text>,
}

/// One pattern or several; they are read from the section.
#[derive(Debug, Deserialize)]
struct RawPatterns(IgnoredAny);

impl JsonSchema for RawPatterns {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawPatterns".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = ["string", "number", "boolean"];
        json_schema!({ "anyOf": [{ "type": one }, { "type": "array", "items": { "type": one } }] })
    }
}

/// Reads and checks the section.
pub(crate) fn read(section: &Section) -> Result<Arc<Map>, Wrong> {
    let raw: RawMap = section.read()?;
    let mut rules = match &raw.preset {
        Some(key) => preset(section.at("preset"), &key.0)?.rules(),
        None => Rules::default(),
    };
    if let Some(wrapper) = &raw.wrapper {
        rules.wrapper = Some(section.word("wrapper", wrapper, &Wrapper::ALL)?);
    }
    if let Some(RawTime { path, format }) = &raw.ts {
        let place = section.at("ts");
        let format = format.as_ref().map(|it| place.word("format", it, &TimeFormat::ALL)).transpose()?;
        rules.ts = Some((place.text("path", path)?, format.unwrap_or(TimeFormat::Rfc3339)));
    } else if rules.ts.is_none() && rules.wrapper.is_none() {
        return Err(section.missing("ts"));
    }
    if let Some(RawSpan { path, unit }) = &raw.duration {
        let place = section.at("duration");
        let unit = unit.as_ref().map(|it| place.word("unit", it, &Unit::ALL)).transpose()?;
        rules.duration = Some((place.text("path", path)?, unit.unwrap_or(Unit::Milliseconds)));
    }
    if let Some(path) = &raw.name {
        rules.name = section.text("name", path)?;
    } else if rules.name.is_empty() {
        return Err(section.missing("name"));
    }
    let paths = [
        ("code", &raw.code, &mut rules.code),
        ("retryable", &raw.retryable, &mut rules.retryable),
        ("event_id", &raw.event_id, &mut rules.event_id),
        ("session", &raw.session, &mut rules.session),
        ("variant", &raw.variant, &mut rules.variant),
    ];
    for (key, said, rule) in paths {
        if let Some(path) = said {
            *rule = Some(section.text(key, path)?);
        }
    }
    let place = section.at("events");
    for (value, event) in &raw.events {
        rules.events.push((pattern(place.at(value), value)?, place.text(value, event)?));
    }
    rules.events.sort_by_key(|(pattern, _)| pattern.rank());
    for path in raw.only.keys() {
        let place = section.at("if").at(path);
        let patterns = match place.items() {
            [] => slice::from_ref(place),
            items => items,
        };
        let patterns = patterns.iter().map(|it| pattern(place, it.as_text()?)).collect::<Result<_, _>>()?;
        rules.only.push((path.clone(), patterns));
    }
    if let Some(said) = &raw.text_lines {
        let words = [("ignored", true), ("malformed", false)];
        rules.ignores_text = section.word("text_lines", said, &words)?;
    }
    if let Some(said) = &raw.others {
        let words = [("ignored", false), ("unknown", true)];
        rules.others_are_unknown = section.word("others", said, &words)?;
    }
    Map::new(rules).map(Arc::new).map_err(|error| section.wrong(error.to_string()))
}

fn preset(place: &Section, key: &str) -> Result<&'static Preset, Wrong> {
    let keys = PRESETS.map(|preset| preset.key);
    Preset::find(key).ok_or_else(|| place.wrong(format!("expected {}, found `{key}`", one_of(&keys))))
}

fn pattern(place: &Section, text: &str) -> Result<Pattern, Wrong> {
    text.parse().map_err(|error: events::map::PatternError| place.wrong(error.to_string()))
}
