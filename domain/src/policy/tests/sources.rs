//! Sections of sources that are wrong are refused where they are.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::Policy;
use crate::sources::SourceSettings as _;
use crate::sources::loki::Loki;
use crate::sources::server::{Auth, SecretFrom};

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

/// PO-1
#[test]
fn wrong_sections_of_loki_are_refused() {
    for (section, expected) in [
        ("{ url: \"http://l\" }", "collection.source.loki: the key `values` is missing"),
        (
            "{ url: \"http://l\", values: {} }",
            "loki.values: expected at least one name and the query that gives its number",
        ),
        ("{ url: \"http://l\", values: { lost: \"\" } }", "loki.values.lost: expected"),
        ("{ url: \"http://l\", values: { lost: q } }", "loki.values.lost: no metric has `value: lost`"),
        ("{ url: l, values: { lost: q } }", "loki.url: expected an http or https URL"),
        (
            "{ url: \"http://l\", settle: 2m, values: { lost: q } }",
            "loki.settle: expected at most `grace`, 30s, found 2m",
        ),
        ("{ url: \"http://l\", auth: {}, values: { lost: q } }", "loki.auth: expected `bearer_env`"),
        (
            "{ url: \"http://l\", headers: { Cookie: x }, values: { lost: q } }",
            "loki.headers.Cookie: expected no secret here",
        ),
        ("{ url: \"http://l\", counters: {}, values: { lost: q } }", "loki.counters: unknown key `counters`"),
    ] {
        let error = error_of(&format!("{{ loki: {section} }}"));
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

/// PO-2: a difference says in one line who is asked for a number, and where the secret is found, never the secret.
#[test]
fn what_is_asked_for_numbers_is_said_in_one_line() {
    let loki = Loki {
        url: "http://loki:3100".to_owned(),
        headers: BTreeMap::from([("X-Scope-OrgID".to_owned(), "shop".to_owned())]),
        auth: Some(Auth::Bearer(SecretFrom::Variable("LOKI_TOKEN".to_owned()))),
        settle: Duration::from_secs(30),
        values: BTreeMap::from([("lost".to_owned(), "sum(rate({a=\"b\"}[{window}]))".to_owned())]),
    };
    assert_eq!(
        loki.words(),
        "loki http://loki:3100, header X-Scope-OrgID: shop, bearer of variable LOKI_TOKEN, settle 30s, lost of sum(rate({a=\"b\"}[{window}]))"
    );
}
