//! Scalars of the policy file: how each is written, what the schema asks of it, and the checks that give its value.
//!
//! They are read as texts, so that a check can quote what stands there.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::at::At;
use super::check::{Checked, Path};
use super::units::parse_duration;

/// The name by which a section of a kind is asked for a scalar as a text, see `kind_section`.
pub(crate) const AS_TEXT: &str = "scalar as a text";
/// The same for a text that is none of the other scalars: a number's spelling is lost by then, so `1.0` would be taken for `1`.
pub(crate) const ONLY_TEXT: &str = "text";

/// Scalars that are read as texts, each with the form that the schema asks for.
macro_rules! text_form {
    ($(#[$doc:meta])* $visible:vis $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(rename = "scalar as a text")]
        $visible struct $name(pub(crate) String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// A text: a name or a word of somebody's choice, never a number.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename = "text")]
#[schemars(inline)]
pub struct Text(pub(crate) String);

text_form! {
    /// A duration.
    pub Dur,
    { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$",
      "description": "A duration: `500ms`, `30s`, `15m`, `24h`, `400d`; at most ten years." }
}
text_form! {
    pub(crate) Kept,
    { "type": "string", "pattern": r"^(forever|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$",
      "description": "A duration such as `400d`, or `forever`." }
}
text_form! {
    pub(crate) Ratio,
    { "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$" }],
      "description": "A ratio: `0.8` or `80%`." }
}
text_form! {
    pub(crate) Threshold,
    { "anyOf": [{ "type": "number", "minimum": 0 },
                { "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|%)$" }],
      "description": "In the unit its metric is shown in: `2.5s`, `1.0%`, a plain number, or `0`." }
}
text_form! {
    /// A decimal number.
    pub Decimal,
    { "type": "number", "minimum": 0, "description": "A decimal number." }
}
text_form! {
    pub Whole,
    { "type": "integer", "minimum": 0, "description": "A whole number." }
}

/// Any duration, zero included.
pub(crate) fn duration(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    duration_of(&raw.value).map_err(|message| raw.wrong(path, message))
}

pub(crate) fn duration_of(raw: &Dur) -> Result<Duration, String> {
    parse_duration(&raw.0)
        .ok_or_else(|| format!("expected a duration such as 500ms, 30s, 15m, 24h or 400d, found `{}`", raw.0))
}

pub(crate) fn positive(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    let found = duration(raw, path)?;
    if found.is_zero() { Err(raw.wrong(path, "expected a duration longer than 0")) } else { Ok(found) }
}

/// A window's length: at least a second, at most a day, so that every window has a name in the logs and a batch soon.
pub(crate) fn window(raw: &At<Dur>, path: &Path) -> Checked<Duration> {
    let found = duration(raw, path)?;
    let allowed = Duration::from_secs(1)..=Duration::from_hours(24);
    if allowed.contains(&found) {
        return Ok(found);
    }
    Err(raw.wrong(path, format!("expected a window of 1s to 24h, found `{}`", raw.value.0)))
}

pub(crate) fn retry(raw: &[At<Dur>], path: &Path) -> Checked<Vec<Duration>> {
    raw.iter().enumerate().map(|(index, wait)| positive(wait, &path.index(index))).collect()
}

/// A text with something in it.
pub(crate) fn text(raw: &At<String>, path: &Path) -> Checked<String> {
    filled(&raw.value).map_err(|message| raw.wrong(path, message))
}

pub(crate) fn filled(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("expected a text that is not empty") } else { Ok(text.to_owned()) }
}

/// Names of roles, items and the like: what may stand in a URL and a file name, each once.
pub(crate) fn names(raw: &[At<String>], path: &Path) -> Checked<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for (index, one) in raw.iter().enumerate() {
        let path = path.index(index);
        let name = name(one, &path)?;
        if found.contains(&name) {
            return Err(one.wrong(&path, format!("`{name}` stands there twice")));
        }
        found.push(name);
    }
    Ok(found)
}

pub(crate) fn name(raw: &At<String>, path: &Path) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let text = &raw.value;
    if (1..=64).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed) {
        return Ok(text.clone());
    }
    Err(raw.wrong(path, format!("expected a name of 1 to 64 a-z A-Z 0-9 _ -, found `{text}`")))
}

/// A whole number of at least `least`.
pub(crate) fn whole(raw: &At<Whole>, least: u64, path: &Path) -> Checked<u64> {
    whole_of(&raw.value, least).map_err(|message| raw.wrong(path, message))
}

pub(crate) fn whole_of(Whole(text): &Whole, least: u64) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| digits && *number >= least && *number < 1 << 53);
    number.ok_or_else(|| format!("expected a whole number from {least} on, found `{text}`"))
}
