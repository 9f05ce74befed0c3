//! Examples of what could not be counted (TE-6): where it stands and what its shape is, with nothing of what it says.

use serde_json::Value;
use shared_types::batch::Example;
use shared_types::decision::UncountedReason;

use crate::Reason;

/// Examples kept of one reason, and of one name.
pub const OF_EACH: usize = 3;
/// Reasons, and names, of which examples are kept.
pub const EACH_MAX: usize = 16;
/// Characters of a value that are shown.
const TEXT_LENGTH_MAX: usize = 64;

/// Keeps an example while there is room for one of its kind.
pub fn keep(examples: &mut Vec<Example>, example: Example) {
    if has_room(examples, example.kind, &example.what) {
        examples.push(example);
    }
}

fn has_room(examples: &[Example], kind: UncountedReason, what: &str) -> bool {
    let of_this = examples.iter().filter(|it| it.kind == kind && it.what == what).count();
    let mut others: Vec<&str> =
        examples.iter().filter(|it| it.kind == kind).map(|it| it.what.as_str()).collect();
    others.sort_unstable();
    others.dedup();
    of_this < OF_EACH && (of_this > 0 || others.len() < EACH_MAX)
}

/// Of an event of a name that the policy does not use, on the line of this number.
pub(super) fn of_name(name: &str, line: u64) -> Example {
    Example {
        kind: UncountedReason::Unknown,
        what: name.to_owned(),
        line,
        field: None,
        found: None,
        text: None,
        meant: None,
    }
}

/// Of an event whose time lies too far ahead.
#[must_use]
pub fn of_future(line: u64) -> Example {
    let reason = Reason::Future;
    let (what, field) = (reason.sort(), reason.field().map(str::to_owned));
    Example {
        kind: UncountedReason::Malformed,
        what,
        line,
        field,
        found: Some("text".to_owned()),
        text: None,
        meant: None,
    }
}

/// Keeps a line that is no event; `bytes` may be its beginning, or nothing where it is not known any more.
pub(super) fn keep_malformed(examples: &mut Vec<Example>, reason: &Reason, line: u64, bytes: &[u8]) {
    let (kind, what) = (UncountedReason::Malformed, reason.sort());
    if !has_room(examples, kind, &what) {
        return;
    }
    let field = reason.field().map(str::to_owned);
    let value = field.as_ref().and_then(|field| {
        let line: Value = serde_json::from_slice(bytes).ok()?;
        at_path(&line, field).cloned()
    });
    let (found, text) = match (&value, &field) {
        (Some(value), _) => (Some(type_of(value).to_owned()), scalar(value)),
        (None, Some(_)) => (None, None),
        (None, None) => {
            let start = &bytes[..bytes.len().min(4 * TEXT_LENGTH_MAX)];
            (None, Some(String::from_utf8_lossy(start).into_owned()))
        }
    };
    let text = text.map(|text| masked(&text)).filter(|text| !text.is_empty());
    examples.push(Example { kind, what, line, field, found, text, meant: None });
}

/// What stands at a path, whose keys may hold dots themselves.
fn at_path<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let below = |(dot, _)| at_path(object.get(&path[..dot])?, &path[dot + 1..]);
    object.get(path).or_else(|| path.match_indices('.').find_map(below))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Its shape: letters become `x`, digits `0`.
fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '0',
        c if c.is_ascii_punctuation() || c == ' ' => c,
        _ => '?',
    };
    text.chars().take(TEXT_LENGTH_MAX).map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: &Reason, line: &str, expected: (&str, Option<&str>, Option<&str>, Option<&str>)) {
        let mut examples = Vec::new();
        keep_malformed(&mut examples, reason, 7, line.as_bytes());
        let it = &examples[0];
        let got = (it.what.as_str(), it.field.as_deref(), it.found.as_deref(), it.text.as_deref());
        assert_eq!((got, it.line), (expected, 7), "{line}");
    }

    /// TE-6: field, type and shape of the value, and nothing of what it says.
    #[test]
    fn an_example_shows_the_shape_and_not_the_value() {
        let wrong = Reason::wrong_type("duration_ms", "a number");
        let what = "`duration_ms` is not a number";
        let field = Some("duration_ms");
        check(&wrong, r#"{"duration_ms":"640 ms, Ünal"}"#, (what, field, Some("text"), Some("000 xx, xxxx")));
        check(&wrong, r#"{"duration_ms":{"secret":1}}"#, (what, field, Some("object"), None));
        check(&Reason::missing("code"), "{}", ("`code` is missing", Some("code"), None, None));
        check(
            &Reason::BadTime,
            r#"{"ts":17953}"#,
            ("`ts` is not an RFC 3339 time from 1970 on", Some("ts"), Some("number"), Some("00000")),
        );
        let broken = Reason::NotJson("EOF at column 90".to_owned());
        check(&broken, "{\"user\":\"bob", ("not JSON of an event", None, None, Some("{\"xxxx\":\"xxx")));
        let long = "é9\n".repeat(100);
        check(&Reason::TooLong, &long, ("longer than 64 KiB", None, None, Some(&"x0?".repeat(22)[..64])));
    }

    #[test]
    fn three_of_each_are_kept_and_sixteen_of_a_kind() {
        let mut examples = Vec::new();
        for line in 0..200 {
            keep(&mut examples, of_name(&format!("n{}", line % 40), line));
        }
        assert_eq!(examples.len(), EACH_MAX * OF_EACH);
        keep_malformed(&mut examples, &Reason::NotUtf8, 1, b"\xff");
        assert_eq!(examples.len(), EACH_MAX * OF_EACH + 1);
    }
}
