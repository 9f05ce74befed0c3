//! Sections of sources that are wrong are refused where they are.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::Policy;
use crate::server::Auth;
use crate::sources::SourceSettings as _;
use crate::sources::cloudwatch::{CloudWatch, Credentials, Metric};
use crate::sources::datadog::{Datadog, Query};
use crate::sources::loki::Loki;
use shared_types::SecretFrom;

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
fn wrong_sections_of_nats_are_refused() {
    for (section, expected) in [
        ("{ stream: T, subject: t }", "collection.source.nats: the key `url` is missing"),
        (
            "{ url: \"http://n:4222\", stream: T, subject: t }",
            "nats.url: expected a `nats://` or `tls://` URL",
        ),
        (
            "{ url: \"nats://n:4222,\", stream: T, subject: t }",
            "nats.url: expected a `nats://` or `tls://` URL",
        ),
        ("{ url: \"nats://u:p@n\", stream: T, subject: t }", "nats.url: expected no secret in the URL"),
        ("{ url: \"nats://n\", stream: T.x, subject: t }", "nats.stream: expected a stream's name"),
        ("{ url: \"nats://n\", stream: T, subject: t..x }", "nats.subject: expected a subject"),
        ("{ url: \"nats://n\", stream: T, subject: \"t.>.x\" }", "nats.subject: expected a subject"),
        ("{ url: \"nats://n\", stream: T, subject: \"t.a*\" }", "nats.subject: expected a subject"),
        ("{ url: \"nats://n\", stream: T, subject: \"t.{phase}\" }", "nats.subject: expected a subject"),
        (
            "{ url: \"nats://n\", stream: T, subject: t, auth: { user: u } }",
            "nats.auth: the key `password_env` is missing",
        ),
        (
            "{ url: \"nats://n\", stream: T, subject: t, auth: { token_env: A, user: u } }",
            "nats.auth: expected `credentials_file`, `token_env`, `token_file`, or `user` with a password",
        ),
    ] {
        let error = error_of(&format!("{{ nats: {section} }}"));
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

/// PO-1
#[test]
fn wrong_sections_of_cloudwatch_are_refused() {
    let key = "access_key_id_env: ID, secret_access_key_file: key";
    let with = |credentials: &str, rest: &str| {
        format!("{{ region: eu-central-1, settle: 20s, credentials: {{ {credentials} }}, {rest} }}")
    };
    let metric = |name: &str, rest: &str| {
        with(key, &format!("metrics: {{ {name}: {{ namespace: N, metric: M{rest} }} }}, values: {{ a: x }}"))
    };
    for (section, expected) in [
        (with(key, "values: {}"), "cloudwatch.values: expected 1 to 500 numbers"),
        (with(key, "values: { a: x }"), "cloudwatch.values.a: no metric has `value: a`"),
        (with("", "values: { a: x }"), "credentials: the key `access_key_id_env` is missing"),
        (
            with(&format!("{key}, secret_access_key_env: B"), "values: { a: x }"),
            "credentials: expected `secret_access_key_env` or `secret_access_key_file`, found both",
        ),
        (metric("m", ""), "cloudwatch.metrics.m: the key `stat` is missing"),
        (metric("Big", ", stat: Sum"), "cloudwatch.metrics.Big: expected a small letter"),
        (metric("value_1", ", stat: Sum"), "cloudwatch.metrics.value_1: expected a small letter"),
        (metric("m", ", stat: Sum, dimensions: { d: \"\" }"), "cloudwatch.metrics.m.dimensions.d: expected"),
        (
            with(key, "values: { a: \"SELECT SUM(x) FROM y\", b: \"select SUM(x) FROM z\" }"),
            "cloudwatch.values: expected at most one query of Metrics Insights",
        ),
        (
            with(key, "endpoint: \"https://u:pw@h\", values: { a: x }"),
            "cloudwatch.endpoint: expected no secret",
        ),
        (
            with(key, "values: { a: x }").replace("20s", "3m"),
            "cloudwatch.settle: expected at most `grace`, 30s, found 3m",
        ),
        (
            with(key, "values: { a: x }").replace("eu-central-1", "\"Frankfurt (eu)\""),
            "cloudwatch.region: expected a region",
        ),
    ] {
        let error = error_of(&format!("{{ cloudwatch: {section} }}"));
        assert!(error.contains(expected), "{section}: {error}");
    }
}

/// PO-1
#[test]
fn wrong_sections_of_datadog_are_refused() {
    let keys = "api_key_env: A, application_key_file: b";
    let queries = "queries: { lost: { query: q, aggregator: sum } }";
    for (rest, expected) in [
        (format!("{keys}, values: {{ lost: lost }}"), "datadog: the key `queries` is missing"),
        (format!("{keys}, {queries}"), "datadog: the key `values` is missing"),
        (format!("{keys}, {queries}, values: {{}}"), "datadog.values: expected at least one name"),
        (format!("{keys}, {queries}, values: {{ a: lost }}"), "datadog.values.a: no metric has `value: a`"),
        (
            format!("{keys}, {queries}, values: {{ a: 'lost2 / 3' }}"),
            "datadog.values.a: expected a formula with the name of at least one of `queries`",
        ),
        (
            format!("api_key_env: A, {queries}, values: {{ a: lost }}"),
            "datadog: the key `application_key_env` is missing",
        ),
        (
            format!("api_key_file: a, {keys}, {queries}, values: {{ a: lost }}"),
            "datadog: expected `api_key_env` or `api_key_file`, found both",
        ),
        (
            format!("{keys}, queries: {{ \"a-b\": {{ query: q, aggregator: sum }} }}, values: {{ a: lost }}"),
            "datadog.queries.a-b: expected a small letter",
        ),
        (
            format!("{keys}, queries: {{ lost: {{ query: q, aggregator: p99 }} }}, values: {{ a: lost }}"),
            "datadog.queries.lost.aggregator: expected `avg`",
        ),
        (
            format!("{keys}, {queries}, settle: 1m, values: {{ a: lost }}"),
            "datadog.settle: expected at most `grace`, 30s, found 1m",
        ),
    ] {
        let error = error_of(&format!("{{ datadog: {{ url: \"https://d\", {rest} }} }}"));
        assert!(error.contains(expected), "{rest}: {error}");
    }
    let error = error_of(&format!("{{ datadog: {{ url: d, {keys}, {queries}, values: {{ a: lost }} }} }}"));
    assert!(error.contains("datadog.url: expected an http or https URL"), "{error}");
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
    let of_file = |name: &str| SecretFrom::File(name.to_owned());
    let saves = Metric {
        namespace: "Shop".to_owned(),
        metric: "Saves".to_owned(),
        dimensions: BTreeMap::from([("Service".to_owned(), "editor".to_owned())]),
        stat: "Sum".to_owned(),
    };
    let cloudwatch = CloudWatch {
        region: "eu-central-1".to_owned(),
        endpoint: "https://monitoring.eu-central-1.amazonaws.com".to_owned(),
        credentials: Credentials {
            access_key_id: SecretFrom::Variable("ID".to_owned()),
            secret_access_key: of_file("key"),
            session_token: Some(of_file("token")),
        },
        settle: Duration::from_secs(180),
        metrics: BTreeMap::from([("saves".to_owned(), saves)]),
        values: BTreeMap::from([("saved".to_owned(), "saves / 60".to_owned())]),
    };
    assert_eq!(
        cloudwatch.words(),
        "cloudwatch https://monitoring.eu-central-1.amazonaws.com in eu-central-1, key variable ID with the secret of file key and the token of file token, \
         settle 3m, saves: Sum of Shop Saves Service=editor, saved of saves / 60"
    );
    let query = Query { query: "sum:shop.lost{*}.as_count()".to_owned(), aggregator: "sum" };
    let datadog = Datadog {
        url: "https://api.datadoghq.eu".to_owned(),
        api_key: SecretFrom::Variable("DD_API_KEY".to_owned()),
        application_key: of_file("key"),
        settle: Duration::from_secs(30),
        queries: BTreeMap::from([("lost".to_owned(), query)]),
        values: BTreeMap::from([("lost".to_owned(), "lost / 60".to_owned())]),
    };
    assert_eq!(
        datadog.words(),
        "datadog https://api.datadoghq.eu, API key of variable DD_API_KEY, application key of file key, settle 30s, \
         lost: sum of sum:shop.lost{*}.as_count(), lost of lost / 60"
    );
}
