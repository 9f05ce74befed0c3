use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::records::{Record, Records};
use crate::shape::Shape;
use crate::{EventSpec, parse, parse_alike, scan, strict, strings};

const TS_MS: i64 = 1_795_341_600_250;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn rules() -> Rules {
    Rules {
        ts: Some(("time".to_owned(), TimeFormat::EpochMs)),
        name: "msg".to_owned(),
        events: [("payment ok", "paid"), ("payment failed*", "failed")]
            .map(|(value, event)| (value.parse().unwrap(), event.to_owned()))
            .to_vec(),
        duration: Some(("res.took".to_owned(), Unit::Seconds)),
        code: Some("err.code".to_owned()),
        retryable: Some("err.retry".to_owned()),
        event_id: Some("id".to_owned()),
        session: Some("user.id".to_owned()),
        variant: Some("flag".to_owned()),
        only: vec![("level".to_owned(), patterns(&["30..", "info"]))],
        ..Rules::default()
    }
}

fn specs(rules: Rules) -> EventSpecs {
    let wanted = [EventSpec::timed("paid", "duration_ms"), EventSpec::failure("failed", &["paid", "failed"])];
    let specs = EventSpecs::new(wanted).unwrap().with_variants(["control"]).unwrap();
    specs.with_map(Some(Arc::new(Map::new(rules).unwrap())))
}

fn records(rules: Rules, lines: &[&str]) -> Records {
    Records::of_lines(lines.join("\n").as_bytes(), &specs(rules))
}

/// TE-7: each part is found where the map says, nested or with dots in its key, as a text or a number.
#[test]
fn each_part_is_found_where_the_map_says() {
    let specs = specs(rules());
    let read = |line: &'static str| parse(line.as_bytes(), &specs).unwrap().unwrap();
    let paid = read(
        r#"{"level":30,"time":1795341600250,"pid":7,"msg":"payment ok","res":{"took":0.25,"tags":[1,{"took":9}]},"id":42,"user":{"id":9007199254740993}}"#,
    );
    assert_eq!((paid.ts_ms, paid.name, paid.duration_ms), (TS_MS, Some(0), 250.0));
    assert_eq!((paid.event_id.as_deref(), paid.session.as_deref()), (Some("42"), Some("9007199254740993")));
    let failed = read(
        r#"{"level":"info","time":"1795341600250","msg":"payment failed: \"card\"","err.code":402,"err":{"retry":"true"},"flag":"control"}"#,
    );
    assert_eq!((failed.ts_ms, failed.name), (TS_MS, Some(3)));
    assert_eq!(failed.error, Some(ErrorDetail { code: "402".into(), retryable: Some(true) }));
}

/// TE-7: code and retryable need not be there, and what is not said is not made up.
#[test]
fn an_error_needs_no_code() {
    let line = r#"{"level":50,"time":1795341600250,"msg":"payment failed","err":null}"#;
    let failed = parse(line.as_bytes(), &specs(rules())).unwrap().unwrap();
    assert_eq!(failed.error, Some(ErrorDetail { code: NO_CODE.into(), retryable: None }));
}

/// TE-7, TE-6: other lines of the log are ignored and counted as such; they are unknown where the map wants that. A value that
/// is the name of an event needs no entry.
#[test]
fn other_lines_are_ignored_or_unknown() {
    let lines = [
        r#"{"level":20,"time":1795341600250,"msg":"payment ok","res":{"took":1}}"#,
        r#"{"level":30,"time":"soon","msg":"listening"}"#,
        r#"{"level":30,"time":1795341600250,"msg":"paid","res":{"took":1}}"#,
        r#"{"level":30,"time":1795341600250}"#,
        r#"{"time":1795341600250,"msg":"payment ok","res":{"took":1}}"#,
    ];
    let read = records(rules(), &lines);
    assert_eq!((read.events.len(), read.ignored, read.malformed), (1, 4, 0));
    let read = records(Rules { others_are_unknown: true, ..rules() }, &lines[2..4]);
    assert_eq!((read.events.len(), read.events[1].name), (2, Record::UNKNOWN));
}

/// TE-7, TE-2: what is an event by its name and is wrong is malformed, and says the path.
#[test]
fn what_is_wrong_says_its_path() {
    let check = |rest: &str, expected: &str| {
        let line = format!(r#"{{"level":30,"msg":"payment ok"{rest}}}"#);
        let read = records(rules(), &[&line]);
        assert_eq!((read.malformed, read.events.len()), (1, 0), "{line}");
        assert!(read.kept[0].reason.contains(expected), "{}", read.kept[0].reason);
        read.examples[0].clone()
    };
    let took = r#","res":{"took":1}"#;
    check(took, "`time` is missing");
    check(&format!(r#"{took},"time":"yesterday""#), "`time` is not a time in the format epoch_ms");
    check(r#","time":1795341600250"#, "`res.took` is missing");
    let example = check(r#","time":1795341600250,"res":{"took":"fast"}"#, "`res.took` is not a duration");
    assert_eq!((example.found.as_deref(), example.text.as_deref()), (Some("text"), Some("xxxx")));
    check(r#","time":1795341600250,"res":{"took":-1}"#, "`res.took` is negative");
    check(r#","time":1795341600250,"res":{"took":1e9}"#, "over 24 h");
    check(r#","time":1795341600250,"time":1,"res":{"took":1}"#, "`time` stands there twice");
}

/// TE-7: lines that are no JSON are malformed, or ignored where the map says so; a broken object is malformed in any case.
#[test]
fn text_lines_are_malformed_or_ignored() {
    let lines = ["Listening on :8080", "    at pay (pay.js:7)", r#"{"level":30,"msg":"#, ""];
    let read = records(rules(), &lines);
    assert_eq!((read.malformed, read.ignored), (3, 0));
    let read = records(Rules { ignores_text: true, ..rules() }, &lines);
    assert_eq!((read.malformed, read.ignored), (1, 2));
}

/// TE-7: what container runtimes write around a line is taken off; their time is the line's where the map has no other.
#[test]
fn wrapped_lines_are_unwrapped() {
    let inner = r#"{"level":30,"msg":"payment ok","res":{"took":"1.5s"}}"#;
    let bare = |wrapper| Rules { wrapper: Some(wrapper), ts: None, ..rules() };
    let docker = serde_json::json!({"log": format!("{inner}\n"), "stream": "stdout", "time": "2026-11-22T10:00:00.25Z"});
    let read = records(bare(Wrapper::Docker), &[&docker.to_string(), inner]);
    assert_eq!((read.events.len(), read.malformed), (1, 1));
    assert_eq!((read.events[0].ts_ms, read.events[0].duration_ms), (TS_MS, 1500.0));
    assert!(read.kept[0].reason.contains("docker"), "{:?}", read.kept);
    let lines = [cri("F", inner), inner.to_owned(), cri("F", "Listening")];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let read = records(Rules { ignores_text: true, ..bare(Wrapper::Cri) }, &lines);
    assert_eq!((read.events.len(), read.malformed, read.ignored), (1, 1, 1));
    assert_eq!((read.events[0].ts_ms, read.events[0].line), (TS_MS, 1));
}

fn cri(tag: &str, inner: &str) -> String {
    format!("2026-11-22T10:00:00.25Z stdout {tag} {inner}")
}

/// A line of about so many bytes.
fn long(length: usize) -> String {
    let stack = "at pay é ".repeat(length / 10);
    format!(r#"{{"level":30,"time":{TS_MS},"msg":"payment ok","stack":"{stack}","res":{{"took":1}}}}"#)
}

/// As Kubernetes' runtimes cut it up, in pieces of 16 KiB.
fn cut_up(line: &str, stream: &str) -> String {
    let mut wrapped = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(16 * 1024));
        let tag = if after.is_empty() { "F" } else { "P" };
        wrapped.push_str(&format!("2026-11-22T10:00:00.25Z {stream} {tag} {piece}\n"));
        rest = after;
    }
    wrapped
}

/// TE-7: lines that a runtime has cut up are put together, each stream's apart, up to the length that a line may have; one
/// without its end is malformed.
#[test]
fn lines_that_were_cut_up_are_put_together() {
    let rules = Rules { wrapper: Some(Wrapper::Cri), ..rules() };
    let (one, other) = (cut_up(&long(60_000), "stdout"), cut_up(&long(40_000), "stderr"));
    let mixed: Vec<&str> = one
        .lines()
        .zip(other.lines().chain(["2026-11-22T10:00:00.25Z stderr F {}"]))
        .flat_map(|(a, b)| [a, b])
        .collect();
    let read = records(rules.clone(), &mixed);
    assert_eq!((read.events.len(), read.malformed, read.ignored), (2, 0, 1), "{:?}", read.kept);
    let too_long = cut_up(&long(200_000), "stdout");
    let begun = cri("P", "{");
    let lines: Vec<&str> = too_long.lines().chain([&begun[..]]).collect();
    let read = records(rules, &lines);
    let reasons: Vec<&str> = read.kept.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!((read.events.len(), reasons.len()), (0, 2), "{reasons:?}");
    assert!(reasons[0].contains("64 KiB") && reasons[1].contains("cut up"), "{reasons:?}");
}

/// TE-7: as `json-file` cuts it up.
#[test]
fn lines_that_docker_cut_up_are_put_together() {
    let rules = Rules { wrapper: Some(Wrapper::Docker), ..rules() };
    let line = long(40_000) + "\n";
    let pieces = line.as_bytes().chunks(16 * 1024).map(String::from_utf8_lossy);
    let wrapped = pieces.map(|log| serde_json::json!({ "log": log, "stream": "stdout" }).to_string());
    let wrapped: Vec<String> = wrapped.collect();
    let wrapped: Vec<&str> = wrapped.iter().map(String::as_str).collect();
    let read = records(rules, &wrapped);
    assert_eq!((read.events.len(), read.malformed, wrapped.len()), (1, 0, 3), "{:?}", read.kept);
}

/// TE-7: no cut between slices goes through a line.
#[test]
fn slices_keep_lines_whole() {
    let rules = Rules { wrapper: Some(Wrapper::Cri), ..rules() };
    let lines: String = (0..200).map(|at| cut_up(&long(7_000 + 300 * at % 50_000), "stdout")).collect();
    let slices = Records::of_slices(2, lines.as_bytes(), &specs(rules));
    let sum = |of: fn(&Records) -> u64| slices.iter().map(of).sum::<u64>();
    assert!(slices.len() > 5, "{}", slices.len());
    assert_eq!((sum(|it| it.events.len() as u64), sum(|it| it.malformed)), (200, 0));
}

/// TE-7, TE-8: marks, line breaks of two bytes and empty ids are as in lines of our own.
#[test]
fn marks_line_breaks_and_empty_ids_are_as_elsewhere() {
    let line = format!(r#"{{"level":30,"time":{TS_MS},"msg":"payment ok","res":{{"took":1}},"id":""}}"#);
    let read = records(rules(), &[&format!("\u{feff}{line}\r"), &format!("{line}\r"), "\r"]);
    assert_eq!((read.events.len(), read.malformed, read.ignored), (2, 0, 0));
    assert!(read.events.iter().all(|event| !event.has_id));
}

#[test]
fn a_map_has_its_limits() {
    let only = (0..20).map(|at| (format!("p{at}"), patterns(&["*"]))).collect();
    assert_eq!(Map::new(Rules { only, ..rules() }), Err(TooManyPaths));
}

fn line() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[0-9]{1,4}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?",
        "\"[ -~é\\\\\n]{0,8}\"",
        Just("\"payment ok\"".to_owned()),
        "[a-z\\[{]{1,3}",
    ];
    let key = || {
        prop_oneof![
            Just("time"),
            Just("msg"),
            Just("res"),
            Just("took"),
            Just("res.took"),
            Just("err"),
            Just("code"),
            Just("l\\u0061")
        ]
    };
    let value = scalar.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec((key(), inner.clone()), 0..3).prop_map(object),
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[ {}]", items.join(" ,"))),
        ]
    });
    prop::collection::vec((key(), value), 0..5).prop_map(object)
}

fn object(entries: Vec<(&'static str, String)>) -> String {
    let entries: Vec<String> =
        entries.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// TE-7, TE-2: the fast reader of mapped lines accepts nothing that serde_json refuses, and sees the same in it; what a
    /// line looks like does not change what is read of the next ones.
    #[test]
    fn the_fast_reader_agrees_with_serde_json(lines in prop::collection::vec(line(), 1..4)) {
        let specs = specs(rules());
        let mut shape = Shape::default();
        for line in &lines {
            let mut fields = Fields::default();
            if strings::is_plain(line) && scan::read_any(line, &specs, &mut fields, |_, _| {}).is_some() {
                prop_assert_eq!(Ok(fields), strict::fields(line, &specs));
            }
            prop_assert_eq!(parse_alike(line, None, &specs, &mut shape), parse(line.as_bytes(), &specs), "{}", line);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), wrapper in 0..3_usize) {
        let wrapper = [None, Some(Wrapper::Docker), Some(Wrapper::Cri)][wrapper];
        let _ = Records::of_lines(&bytes, &specs(Rules { wrapper, ..rules() }));
    }
}
