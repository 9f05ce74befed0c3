//! Wrong requests and wrong settings: refused by name, and nothing that was accepted is lost by it.

use phasegate_tests::cli;
use phasegate_tests::feeder::{Feeder, push_body};
use phasegate_tests::stack::{Layout, SERVICES, Stack};
use phasegate_tests::wait;
use reqwest::Method;
use serde_json::{Value, json};

use super::begin;
use crate::kills::until_all_is_counted;
use crate::story::POLICY;

/// A wrong request and the status it has to get.
struct Wrong {
    service: &'static str,
    method: Method,
    path: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
    status: u16,
}

fn wrong(
    service: &'static str,
    method: &str,
    path: &'static str,
    body: impl Into<Vec<u8>>,
    status: u16,
) -> Wrong {
    let method = method.parse().expect("a method");
    Wrong { service, method, path, content_type: "application/json", body: body.into(), status }
}

fn table() -> Vec<Wrong> {
    let too_large = vec![b' '; (8 << 20) + 1];
    let deep = "[".repeat(100_000);
    let repeated = format!("{{{}}}", vec!["\"schema\":\"x\""; 10_000].join(","));
    vec![
        wrong("collector", "POST", "/v1/targets/nope/events", push_body(1, 1), 404),
        wrong("collector", "POST", "/v1/targets/No%20Name/events", push_body(1, 1), 400),
        wrong("collector", "POST", "/v1/targets/autosave/events", "[{\"ts\":", 400),
        wrong("collector", "POST", "/v1/targets/autosave/events", deep.clone(), 400),
        wrong("collector", "POST", "/v1/targets/autosave/events", too_large, 413),
        wrong("collector", "PUT", "/v1/targets/autosave/directive", "{\"target\":\"autosave\"}", 422),
        wrong("collector", "POST", "/v1/targets/autosave/pause", "{\"seconds\":301}", 422),
        wrong("collector", "POST", "/v1/targets/autosave/pause", "{\"seconds\":-1}", 422),
        wrong("collector", "DELETE", "/v1/targets/autosave/events", "", 405),
        wrong("collector", "GET", "/v1/nowhere", "", 404),
        wrong("analyzer", "POST", "/v1/batches", "not json", 400),
        wrong("analyzer", "POST", "/v1/batches", deep, 422),
        wrong("analyzer", "POST", "/v1/batches", repeated.clone(), 422),
        wrong("analyzer", "POST", "/v1/batches", "{\"schema\":\"phasegate.batch/1\"}", 422),
        wrong("analyzer", "POST", "/v1/collector-events", "{\"kind\":\"collector.bored\"}", 422),
        wrong("analyzer", "GET", "/v1/decisions?limit=0", "", 400),
        wrong("analyzer", "GET", "/v1/decisions?limit=many", "", 400),
        wrong("analyzer", "GET", "/v1/decisions?cursor=!!", "", 400),
        wrong("analyzer", "GET", "/v1/decisions?verdict=bad", "", 400),
        wrong("analyzer", "GET", "/v1/decisions/not-an-id", "", 400),
        wrong("analyzer", "GET", "/v1/decisions/00000000-0000-0000-0000-000000000000", "", 404),
        wrong("reporter", "POST", "/v1/decisions", "{}", 422),
        wrong("reporter", "POST", "/v1/decisions", repeated, 422),
        wrong("reporter", "POST", "/v1/rollouts/nope/start", "{}", 404),
        wrong("reporter", "POST", "/v1/rollouts/autosave/start", "{}", 409),
        wrong("reporter", "POST", "/v1/rollouts/autosave/start", "{\"by\":\"\\u0000\"}", 422),
        wrong(
            "reporter",
            "POST",
            "/v1/rollouts/autosave/rollbacks",
            "{\"phase\":\"C\",\"reason\":\"x\"}",
            409,
        ),
        wrong("reporter", "POST", "/v1/rollouts/autosave/rollbacks", "{\"phase\":\"A\"}", 422),
        wrong("reporter", "POST", "/v1/effects/nope/retry", "", 404),
        wrong("reporter", "GET", "/v1/incidents/INC-20260101-001", "", 404),
        wrong("reporter", "GET", "/v1/incidents/nonsense", "", 404),
        wrong("reporter", "GET", "/v1/notifications?state=lost", "", 400),
        Wrong {
            content_type: "text/plain",
            ..wrong("reporter", "POST", "/v1/rollouts/autosave/promotions", "{}", 415)
        },
    ]
}

/// TE-5, RB-7 and bad input everywhere: problem+json with the right status; telemetry flows on, every accepted
/// event is counted once, and the rollout stands where it stood.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_by_name_and_lose_nothing() {
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    begin(&stack).await;
    for wrong in table() {
        refused(&stack, &wrong).await;
    }
    broken_batches_are_refused(&stack).await;
    let push = stack.url("collector", "/v1/targets/autosave/events");
    let times = vec!["\"ts\":1"; 9_000].join(",");
    let mixed = format!("{}nonsense\n{{\"ts\":\"yesterday\"}}\n{{{times}}}\n", push_body(300, 3));
    let answer = stack.http.post(&push).body(mixed).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!((&answer["accepted"], &answer["malformed"]), (&json!(3), &json!(3)), "{answer}");
    assert_eq!(
        (&answer["errors"][0]["line"], &answer["errors"][1]["line"]),
        (&json!(4), &json!(5)),
        "{answer}"
    );
    let accepted = feeder.stop().await + 3;
    until_all_is_counted(&stack, accepted).await;
    assert_eq!(stack.phase_changes(), ["off A"]);
    operations_are_there(&stack).await;
}

async fn refused(stack: &Stack, wrong: &Wrong) {
    let what = format!("{} {} {}", wrong.service, wrong.method, wrong.path);
    let sent = stack
        .http
        .request(wrong.method.clone(), stack.url(wrong.service, wrong.path))
        .header("content-type", wrong.content_type)
        .body(wrong.body.clone())
        .send()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
    let text = sent.text().await.expect("a body");
    assert_eq!(status, wrong.status, "{what}: {text}");
    assert_eq!(headers["content-type"], "application/problem+json", "{what}: {text}");
    let problem: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
    assert_eq!(problem["status"], wrong.status, "{what}: {text}");
    assert!(
        problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:phasegate:problem:")),
        "{text}"
    );
    assert!(
        problem["detail"].as_str().is_some_and(|it| !it.is_empty() && !it.contains('\n')),
        "{what}: {text}"
    );
}

/// SLO-9: the same again is the same decision, another batch under its key is refused; so are figures that cannot be.
async fn broken_batches_are_refused(stack: &Stack) {
    let batches = stack.get("analyzer", "/v1/batches?limit=1").await.expect("the batches");
    let judged = &batches["items"][0];
    assert_eq!(stack.post("analyzer", "/v1/batches", judged).await.0, 200);
    let mut cases: Vec<(Value, u16)> = Vec::new();
    for (pointer, value, status) in [
        ("/counters/autosave.save.completed", json!(999_999), 409),
        ("/window/start", json!("2020-01-01T00:00:01Z"), 422),
        ("/window/end", json!("2999-01-01T00:00:00Z"), 422),
        ("/target", json!("nope"), 422),
        ("/phase", json!("Z"), 422),
        ("/schema", json!("phasegate.batch/99"), 422),
        ("/collector_latency_ms", json!(-1), 422),
    ] {
        let mut batch = judged.clone();
        *batch.pointer_mut(pointer).expect("a field") = value;
        cases.push((batch, status));
    }
    for (batch, expected) in cases {
        let (status, problem) = stack.post("analyzer", "/v1/batches", &batch).await;
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{problem}\n{batch}");
    }
}

/// Ready, and the promised metrics are there.
async fn operations_are_there(stack: &Stack) {
    const METRICS: [(&str, &[&str]); 3] = [
        ("collector", &["phasegate_batches_total", "phasegate_events_total", "phasegate_effects_total"]),
        ("analyzer", &["phasegate_decisions_total", "phasegate_decision_latency_seconds"]),
        ("reporter", &["phasegate_transitions_total", "phasegate_effects_total"]),
    ];
    const EVERYWHERE: [&str; 5] = [
        "phasegate_outbox_ready",
        "phasegate_outbox_dead",
        "phasegate_outbox_oldest_seconds",
        "phasegate_http_requests_total",
        "phasegate_http_request_seconds",
    ];
    for service in SERVICES {
        let ready = stack.get(service, "/readyz").await.expect("ready");
        assert_eq!(ready["ready"], true, "{ready}");
    }
    for (service, own) in METRICS {
        wait::until(&format!("the metrics of the {service}"), || async {
            let answer = stack.http.get(stack.url(service, "/metrics")).send().await;
            let text =
                answer.map_err(|error| error.to_string())?.text().await.map_err(|it| it.to_string())?;
            let missing: Vec<&&str> =
                own.iter().chain(&EVERYWHERE).filter(|name| !text.contains(**name)).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} in\n{text}")) }
        })
        .await;
    }
}

/// No tokens, no listening beyond loopback: one line, and a status that says so.
#[test]
fn a_service_without_tokens_listens_on_loopback_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for service in SERVICES {
        let binary = format!("{service}-svc");
        let variable = format!("PHASEGATE_{}_LISTEN", service.to_uppercase());
        let ran = cli::run(
            cli::command(&binary).env(variable, "0.0.0.0:0").env("PHASEGATE_DATA_DIR", directory.path()),
        );
        assert_eq!(ran.status, Some(2), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(
            ran.err.starts_with(&format!("{binary}: ")) && ran.err.contains("PHASEGATE_TOKENS"),
            "{ran:?}"
        );
    }
}
