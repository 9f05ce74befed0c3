//! Sections of sources that are wrong are refused where they are.

use crate::policy::Policy;

use super::SHIPPED;

const FILES: &str = r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#;

#[track_caller]
fn error_of(source: &str) -> String {
    let text = SHIPPED.replacen(FILES, source, 1);
    Policy::parse(&text, "p").and_then(Policy::admitted).expect_err(source).to_string()
}

/// PO-1
#[test]
fn wrong_sections_of_otlp_are_refused() {
    for (section, expected) in [
        ("{ counters: {} }", "collection.source.otlp: the key `match` is missing"),
        ("{ match: {}, logs: {} }", "otlp.match: expected an attribute of the resource and its value"),
        (
            "{ match: { a: b } }",
            "otlp: expected at least one of `counters`, `distributions`, `spans` and `logs`",
        ),
        (
            "{ match: { a: b }, counters: { autosave.save.lost: { metric: x } } }",
            "otlp.counters.autosave.save.lost: expected an event of a metric",
        ),
        (
            "{ match: { a: b }, counters: { autosave.save.completed: { metric: x } } }",
            "otlp.counters.autosave.save.completed: a metric asks for the durations of this event",
        ),
        (
            "{ match: { a: b }, counters: { autosave.save.error: { metric: x, breakdown: { kind: y } } } }",
            "breakdown.kind: expected `code` or `retryable`, found `kind`",
        ),
        (
            "{ match: { a: b }, distributions: { autosave.save.completed: { metric: x, unit: h } } }",
            "distributions.autosave.save.completed.unit: expected `ns`, `us`, `ms` or `s`, found `h`",
        ),
        (
            "{ match: { a: b }, counters: { autosave.save.error: { metric: x } }, distributions: { autosave.save.error: { metric: x } } }",
            "expected an event that is not among `counters`: it would count twice",
        ),
        (
            "{ match: { a: b }, spans: { save: {} } }",
            "otlp.spans.save: expected `completed`, `error` or both",
        ),
        (
            "{ match: { a: b }, spans: { save: { error: autosave.save.lost } } }",
            "otlp.spans.save.error: expected an event of a metric",
        ),
        ("{ match: { a: b }, logs: { scope: \"\" } }", "otlp.logs.scope: expected"),
    ] {
        let error = error_of(&format!("{{ otlp: {section} }}"));
        assert!(error.contains(expected), "{section}: {error}");
    }
}

/// PO-2: a difference says in one line what is counted of what.
#[test]
fn what_otlp_counts_is_said_in_one_line() {
    let section = "{ match: { service.name: editor }, phase: stage, distributions: { autosave.save.completed: { metric: save.duration, unit: s } }, \
         counters: { autosave.save.error: { metric: saves, where: { ok: \"no\" }, breakdown: { code: error.type } } }, \
         spans: { save: { completed: autosave.save.completed } }, logs: { scope: telemetry } }";
    let text = SHIPPED.replacen(FILES, &format!("{{ otlp: {section} }}"), 1);
    let policy = Policy::parse(&text, "p").and_then(Policy::admitted).unwrap();
    let target = policy.targets.values().next().unwrap();
    assert_eq!(
        target.collection.source.words(),
        "otlp of service.name=editor, phase stage, autosave.save.completed of save.duration with durations in s, autosave.save.error of \
         saves where ok=no with code of error.type, spans save as autosave.save.completed, logs of telemetry"
    );
}
