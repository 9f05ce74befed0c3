//! One line of telemetry: what an event is (TE-1) and what is not one (TE-2).
//!
//! Pure, and a crate of its own because every event passes here: it is optimised to the end where the rest of what decides
//! is not. A line is read by [`scan`], which knows only the plain flat object that telemetry nearly always
//! is; whatever it does not know goes to [`strict`], which is serde_json and has the last word. Both only
//! collect [`Fields`]; what they mean is decided here, once.

mod codes;
pub mod examples;
mod fields;
pub mod frequent;
pub mod map;
mod reason;
pub mod records;
mod scan;
mod shape;
mod specs;
mod strict;
mod strings;
mod time;

use std::borrow::Cow;

use fields::{Field, Fields, Value};
use map::Map;
use shape::Shape;

pub use reason::Reason;
pub use specs::{DURATION_FIELDS_MAX, EventSpec, EventSpecs, TooManyFields, in_variant};

/// A duration beyond this is no duration (TE-2): 24 h in milliseconds.
const DURATION_MAX_MS: f64 = 86_400_000.0;

/// An event, borrowed from its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    pub ts_ms: i64,
    /// Index into the specs; `None` for a name the policy does not use.
    pub name: Option<usize>,
    /// Such a name.
    pub unknown: Option<Cow<'a, str>>,
    pub event_id: Option<Cow<'a, str>>,
    /// Of events with a duration, in milliseconds; else 0.
    pub duration_ms: f64,
    /// Of errors only.
    pub error: Option<ErrorDetail<'a>>,
    /// Of errors, and of attempts that an error is counted among.
    pub session: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ErrorDetail<'a> {
    pub code: Cow<'a, str>,
    /// `None`: a mapped line does not say.
    pub retryable: Option<bool>,
}

/// Reads one line, without its line break and without what a container's runtime has written around it. `None`: the map ignores it.
///
/// # Errors
/// Why it is not an event.
pub fn parse<'a>(line: &'a [u8], specs: &EventSpecs) -> Result<Option<Event<'a>>, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| Reason::NotUtf8)?;
    read(text, None, specs, |fields| scan::read_any(text, specs, fields, |_, _| {}))
}

/// Reads one of many lines, most of which look alike, from which `wrapper_ts` was taken off before.
#[inline]
fn parse_alike<'a>(
    text: &'a str,
    wrapper_ts: Option<&str>,
    specs: &EventSpecs,
    shape: &mut Shape,
) -> Result<Option<Event<'a>>, Reason> {
    read(text, wrapper_ts, specs, |fields| shape.read(text, specs, fields))
}

#[inline]
fn read<'a>(
    text: &'a str,
    wrapper_ts: Option<&str>,
    specs: &EventSpecs,
    fast: impl FnOnce(&mut Fields<'a>) -> Option<()>,
) -> Result<Option<Event<'a>>, Reason> {
    let mut fields = Fields::default();
    if !strings::is_plain(text) || fast(&mut fields).is_none() {
        fields = strict::fields(text, specs)?;
    }
    match specs.map() {
        Some(map) => map.interpret(&fields, wrapper_ts, specs),
        None => interpret(&mut fields, specs).map(Some),
    }
}

#[inline]
fn interpret<'a>(fields: &mut Fields<'a>, specs: &EventSpecs) -> Result<Event<'a>, Reason> {
    let ts = text(fields.take(Field::TS), "ts")?;
    let ts_ms = time::parse_ms(&ts).ok_or(Reason::BadTime)?;
    let name = text(fields.take(Field::NAME), "name")?;
    let event_id = match fields.take(Field::EVENT_ID) {
        Value::Absent => None,
        other => Some(text(other, "event_id")?).filter(|id| !id.is_empty()),
    };
    let variant = match fields.take(Field::VARIANT) {
        Value::Text(variant) => Some(variant),
        _ => None,
    };
    let index = specs.find_event(&name, variant.as_deref());
    let mut event =
        Event { ts_ms, name: index, unknown: None, event_id, duration_ms: 0.0, error: None, session: None };
    let Some((index, spec)) = index.and_then(|index| Some((index, specs.get(index)?))) else {
        event.unknown = Some(name);
        return Ok(event);
    };
    if let Value::Text(session) = fields.take(Field::SESSION)
        && !session.is_empty()
        && (spec.error || !specs.errors_of_attempt(index).is_empty())
    {
        event.session = Some(session);
    }
    if let Some(at) = spec.duration {
        let value = fields.take(Field::duration(at));
        event.duration_ms = duration(&value, || specs.duration_field(at))?;
    }
    if spec.error {
        let code = text(fields.take(Field::CODE), "code")?;
        let retryable = match fields.take(Field::RETRYABLE) {
            Value::Bool(retryable) => retryable,
            Value::Absent => return Err(Reason::missing("retryable")),
            _ => return Err(Reason::wrong_type("retryable", "true or false")),
        };
        event.error = Some(ErrorDetail { code, retryable: Some(retryable) });
    }
    Ok(event)
}

#[inline]
fn text<'a>(value: Value<'a>, field: &'static str) -> Result<Cow<'a, str>, Reason> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Absent => Err(Reason::missing(field)),
        _ => Err(Reason::wrong_type(field, "a string")),
    }
}

#[inline]
fn duration(value: &Value<'_>, field: impl Fn() -> String) -> Result<f64, Reason> {
    match value {
        Value::Number(ms) if *ms >= 0.0 && *ms <= DURATION_MAX_MS => Ok(*ms),
        Value::Number(ms) if *ms > DURATION_MAX_MS => Err(Reason::DurationTooLong { field: field() }),
        Value::Number(_) => Err(Reason::NegativeDuration { field: field() }),
        Value::Absent => Err(Reason::MissingField { field: field() }),
        _ => Err(Reason::wrong_type(&field(), "a number")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn specs() -> EventSpecs {
        EventSpecs::new([
            EventSpec::timed("autosave.save.completed", "duration_ms"),
            EventSpec::failure("autosave.save.error", &["autosave.save.completed", "autosave.save.error"]),
            EventSpec::counted("autosave.history.drift"),
        ])
        .unwrap()
        .with_variants(["control"])
        .unwrap()
    }

    /// What the fast reader reads, if it does.
    pub(super) fn scanned(line: &str) -> Option<Fields<'_>> {
        let mut fields = Fields::default();
        let read = strings::is_plain(line).then(|| scan::read_any(line, &specs(), &mut fields, |_, _| {}))?;
        read.map(|()| fields)
    }

    fn check(line: &str, expected: Result<(i64, Option<usize>, f64), &str>) {
        let specs = specs();
        let got = parse(line.as_bytes(), &specs).map(|event| event.expect("no map ignores it"));
        match (got, expected) {
            (Ok(event), Ok(expected)) => assert_eq!((event.ts_ms, event.name, event.duration_ms), expected),
            (Err(reason), Err(expected)) => {
                assert!(reason.to_string().contains(expected), "{reason} for {line}");
            }
            (got, expected) => panic!("{line}: {got:?}, expected {expected:?}"),
        }
    }

    /// TE-1: the three events, optional and unknown fields, unknown names.
    #[test]
    fn the_events_of_a_target_are_read() {
        let ok = r#"{"ts":"2026-11-22T10:00:00.250Z","name":"autosave.save.completed","duration_ms":640.5}"#;
        check(ok, Ok((1_795_341_600_250, Some(0), 640.5)));
        check(
            r#" { "extra" : {"a":[1]}, "duration_ms" : 2e3, "name" : "autosave.save.completed", "ts" : "2026-11-22T19:00:00+09:00", "event_id":null, "phase":"A", "session":7 } "#,
            Ok((1_795_341_600_000, Some(0), 2000.0)),
        );
        check(
            r#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.history.drift"}"#,
            Ok((1_795_341_600_000, Some(2), 0.0)),
        );
        check(
            r#"{"ts":"2026-11-22T10:00:00Z","name":"editor.opened","duration_ms":"x"}"#,
            Ok((1_795_341_600_000, None, 0.0)),
        );
        let line = br#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.error","code":"E_LOCK","retryable":true,"event_id":"7"}"#;
        let event = parse(line, &specs()).unwrap().unwrap();
        assert_eq!(event.error, Some(ErrorDetail { code: "E_LOCK".into(), retryable: Some(true) }));
        assert_eq!(event.event_id.as_deref(), Some("7"));
    }

    /// TE-1, JU-9, JU-10: a variant that is named has its own index; a session is a text or a number, and asked of attempts
    /// only.
    #[test]
    fn variant_and_session_are_read() {
        let specs = specs();
        let check = |name: &str, rest: &str, index: Option<usize>, session: Option<&str>| {
            let line =
                format!(r#"{{"ts":"2026-11-22T10:00:00Z","name":"autosave.{name}","duration_ms":5,{rest}}}"#);
            for line in [line.clone(), line.replace("\"ts\"", "\"\\u0074s\"")] {
                let event = parse(line.as_bytes(), &specs).unwrap().unwrap();
                assert_eq!((event.name, event.session.as_deref()), (index, session), "{line}");
            }
        };
        check("save.completed", r#""variant":"control","session":"s""#, Some(3), Some("s"));
        let large = r#""variant":"b","session":9007199254740993"#;
        check("save.completed", large, Some(0), Some("9007199254740993"));
        check("save.completed", r#""variant":7,"session":{"a":1}"#, Some(0), None);
        check("save.completed", r#""variant":null,"session":"""#, Some(0), None);
        check("history.drift", r#""variant":"control","session":"s""#, Some(5), None);
        check("opened", r#""variant":"control","session":"s""#, None, None);
    }

    /// TE-8: an empty id is none.
    #[test]
    fn an_empty_event_id_is_none() {
        let line = br#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.history.drift","event_id":""}"#;
        assert_eq!(parse(line, &specs()).unwrap().unwrap().event_id, None);
    }

    /// TE-2: each kind of line that is not an event has its reason.
    #[test]
    fn what_is_not_an_event_says_why() {
        let saved =
            |rest: &str| format!(r#"{{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.completed"{rest}}}"#);
        check("{", Err("not JSON"));
        check("[1]", Err("not JSON"));
        check("7", Err("not JSON"));
        check(&format!("{} x", saved("")), Err("not JSON"));
        check(r#"{"name":"autosave.history.drift"}"#, Err("`ts` is missing"));
        check(r#"{"ts":"2026-11-22T10:00:00Z"}"#, Err("`name` is missing"));
        check(r#"{"ts":1795341600,"name":"x"}"#, Err("`ts` is not a string"));
        check(r#"{"ts":"yesterday","name":"x"}"#, Err("not an RFC 3339 time"));
        check(r#"{"ts":"1969-12-31T23:59:59Z","name":"x"}"#, Err("not an RFC 3339 time"));
        check(r#"{"ts":"2026-02-29T00:00:00Z","name":"x"}"#, Err("not an RFC 3339 time"));
        check(&saved(""), Err("`duration_ms` is missing"));
        check(&saved(r#","duration_ms":-1"#), Err("negative"));
        check(&saved(r#","duration_ms":"640""#), Err("`duration_ms` is not a number"));
        check(&saved(r#","duration_ms":86400000.1"#), Err("24 h"));
        check(&saved(r#","duration_ms":1e999"#), Err("not JSON"));
        check(&saved(r#","duration_ms":NaN"#), Err("not JSON"));
        check(&saved(r#","duration_ms":1,"duration_ms":2"#), Err("twice"));
        check(&saved(r#","duration_ms":1,"event_id":7"#), Err("`event_id` is not a string"));
        let error = r#"{"ts":"2026-11-22T10:00:00Z","name":"autosave.save.error","code":"E""#;
        check(&format!("{error}}}"), Err("`retryable` is missing"));
        check(&format!("{error},\"retryable\":1}}"), Err("`retryable` is not true or false"));
        assert_eq!(parse(b"{\"ts\":\"\xff\"}", &specs()), Err(Reason::NotUtf8));
    }

    fn scalar() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?[0-9]{1,4}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?",
            "\"[ -~é\\\\\n]{0,12}\"",
            "\"2026-1[0-3]-[0-3][0-9]T[0-2][0-9]:00:00(\\.[0-9]{1,4})?(Z|z|\\+09:00)\"",
            Just("\"autosave.save.completed\"".to_owned()),
            Just("[1,{}]".to_owned()),
            "[a-z\\[{]{1,3}",
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("ts"),
            Just("name"),
            Just("event_id"),
            Just("code"),
            Just("variant"),
            Just("session"),
            Just("duration_ms"),
            Just("x\\u0061")
        ];
        let space = prop_oneof![Just(""), Just(" "), Just("\t\r")];
        prop::collection::vec((key, space, scalar()), 0..6).prop_map(|fields| {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, space, value)| format!("\"{key}\"{space}:{space}{value}{space}"))
                .collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// TE-1, TE-2: the fast reader accepts nothing that serde_json refuses, and sees the same in it.
        #[test]
        fn the_fast_reader_agrees_with_serde_json(line in line(), cut in any::<prop::sample::Index>(), whole in any::<bool>()) {
            let specs = specs();
            let at = cut.index(line.len() + 1);
            let line = if whole || !line.is_char_boundary(at) { &line[..] } else { &line[..at] };
            if let Some(fast) = scanned(line) {
                prop_assert_eq!(Ok(fast), strict::fields(line, &specs));
            }
        }

        /// TE-1, TE-2: what a line looks like does not change what is read of the next ones.
        #[test]
        fn lines_read_by_the_shape_of_another_are_what_they_are(
            lines in prop::collection::vec(line(), 1..6), at in any::<prop::sample::Index>(), value in scalar(),
        ) {
            let specs = specs();
            let mut shape = Shape::default();
            let alike = at.get(&lines).replacen("null", &value, 1);
            for line in lines.iter().chain([&alike]) {
                prop_assert_eq!(parse_alike(line, None, &specs, &mut shape), parse(line.as_bytes(), &specs), "{}", line);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes, &specs());
        }
    }

    #[test]
    fn the_fast_reader_knows_the_usual_line() {
        let line = r#"{"ts":"2026-11-22T10:00:00.250Z","name":"autosave.save.completed","event_id":"01J","session":"s","duration_ms":640.5}"#;
        assert!(scanned(line).is_some());
    }
}
