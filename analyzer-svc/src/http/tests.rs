//! The calls as they are answered on the wire.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use service_kit::http::{HttpOptions, Readiness, ServiceParts, app};
use shared_types::collector_event::CollectorEventKind;
use std::time::Duration;
use tower::ServiceExt as _;

use super::*;
use crate::testing::{World, event};
use domain::gate::fixture::{Counts, window};

fn service(world: &World) -> axum::Router {
    service_until(world, &CancellationToken::new())
}

fn service_until(world: &World, stop: &CancellationToken) -> axum::Router {
    app(ServiceParts {
        service: ServiceName::Analyzer,
        router: routes(world.analyzer.clone(), stop),
        openapi: openapi(),
        readiness: Readiness::new(),
        tokens: None,
        options: HttpOptions::default(),
    })
}

async fn call(world: &World, request: Request<Body>) -> (StatusCode, Value) {
    let response = service(world).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(world: &World, path: &str) -> (StatusCode, Value) {
    call(world, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(world: &World, path: &str, body: &impl serde::Serialize) -> (StatusCode, Value) {
    let body = Body::from(serde_json::to_vec(body).unwrap());
    call(world, Request::post(path).header("content-type", "application/json").body(body).unwrap()).await
}

fn healthy(n: u32) -> Counts {
    Counts { window: window(n), ..Counts::default() }
}

/// The stop of the service does not wait for a backtest: 7 to 11 s it did.
#[test]
fn a_backtest_ends_with_the_service() {
    // The one thread for such work is held by the test, so a backtest cannot end by itself.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let world = World::in_memory().await;
        world.clock.set(window(0).end);
        post(&world, "/v1/batches", &healthy(0).batch()).await;
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || held.recv().is_ok());
        let stop = CancellationToken::new();
        let body = json!({ "target": "autosave", "from": window(0).start, "to": window(9).end }).to_string();
        let call = Request::post("/v1/backtests").header("content-type", "application/json");
        let answer = service_until(&world, &stop).oneshot(call.body(Body::from(body)).unwrap());
        let (answer, ()) = tokio::join!(answer, async {
            tokio::task::yield_now().await;
            stop.cancel();
        });
        assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(release);
        assert!(!holding.await.unwrap());
    });
}

/// SLO-9 Together as alone: each has the answer that it would have had, and none is kept back by another.
#[tokio::test]
async fn batches_that_come_together_are_answered_one_by_one() {
    let world = World::in_memory().await;
    world.clock.set(window(1).end);
    let other = Counts { drift: 1, ..healthy(0) }.batch();
    let batches = [healthy(0).batch(), healthy(0).batch(), healthy(9).batch(), healthy(1).batch(), other];
    let items: Vec<Value> = batches.iter().map(|batch| json!({ "item": batch })).collect();
    let (status, all) = post(&world, "/v1/batches/bulk", &json!({ "items": items })).await;
    assert_eq!(status, StatusCode::OK);
    let statuses: Vec<&Value> = all["answers"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [201, 200, 422, 201, 409]);
    assert_eq!(all["answers"][0]["body"], all["answers"][1]["body"]);
    let problem = all["answers"][4]["body"]["type"].as_str().unwrap();
    assert!(problem.ends_with("batch_differs"), "{problem}");

    let many: Vec<Value> = (0..65).map(|_| json!({ "item": healthy(0).batch() })).collect();
    let (status, problem) = post(&world, "/v1/batches/bulk", &json!({ "items": many })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["detail"], "items: 65 are more than 64");
}

/// SLO-9: 201, then 200 with the same body, 409 for another batch, 422 for one that cannot be.
#[tokio::test]
async fn batch_is_created_repeated_conflicting_or_refused() {
    let world = World::in_memory().await;
    world.clock.set(window(0).end);
    let (status, decision) = post(&world, "/v1/batches", &healthy(0).batch()).await;
    assert_eq!((status, &decision["verdict"]), (StatusCode::CREATED, &json!("ok")));
    let repeat = post(&world, "/v1/batches", &healthy(0).batch()).await;
    assert_eq!(repeat, (StatusCode::OK, decision.clone()));

    let (status, problem) = post(&world, "/v1/batches", &Counts { drift: 1, ..healthy(0) }.batch()).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:phasegate:problem:batch_differs"))
    );

    let mut wrong = healthy(0).batch();
    wrong.window = window(1);
    let (status, problem) = post(&world, "/v1/batches", &wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    let mut text = serde_json::to_value(healthy(0).batch()).unwrap();
    text["distributions"]["autosave.save.completed"]["p95"] = json!(1e300);
    let (status, problem) = post(&world, "/v1/batches", &text).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("autosave.save.completed.p95"), "{problem}");

    let id = decision["decision_id"].as_str().unwrap();
    assert_eq!(get(&world, &format!("/v1/decisions/{id}")).await, (StatusCode::OK, decision));
    let (status, _) = get(&world, "/v1/decisions/00000000-0000-0000-0000-000000000000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// SLO-8 over HTTP.
#[tokio::test]
async fn collector_event_is_created_once() {
    let world = World::in_memory().await;
    world.clock.set(window(0).end.plus(Duration::from_secs(300)));
    let event = event(CollectorEventKind::RetryExhausted, window(0), world.analyzer.now());
    let (status, decision) = post(&world, "/v1/collector-events", &event).await;
    assert_eq!((status, &decision["cause"]), (StatusCode::CREATED, &json!("retry_exhausted")));
    assert_eq!(post(&world, "/v1/collector-events", &event).await, (StatusCode::OK, decision));
}

/// Lists are newest first, with an opaque cursor; wrong parameters are named.
#[tokio::test]
async fn lists_are_paged_by_an_opaque_cursor() {
    let world = World::in_memory().await;
    for n in 0..5 {
        world.batch(&Counts { drift: u64::from(n == 2), ..healthy(n) }).await;
    }
    for list in ["batches", "decisions"] {
        let mut starts = Vec::new();
        let mut path = format!("/v1/{list}?target=autosave&limit=2");
        loop {
            let (status, page) = get(&world, &path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            starts
                .extend(page["items"].as_array().unwrap().iter().map(|item| item["window"]["start"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/{list}?target=autosave&limit=2&cursor={next}");
        }
        let expected: Vec<Value> = (0..5).rev().map(|n| json!(window(n).start)).collect();
        assert_eq!(starts, expected, "{list}");
        let path = format!(
            "/v1/{list}?verdict=ok&from=2026-11-22T10:15:00Z&to=2026-11-22T10:45:00Z&epoch=1&phase=A"
        );
        let (_, page) = get(&world, &path).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{list}");
        assert_eq!(items[0]["window"], json!(window(1)), "{list}");
        for wrong in ["limit=0", "cursor=x", "verdict=fine", "from=yesterday"] {
            let (status, problem) = get(&world, &format!("/v1/{list}?{wrong}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        }
    }
}

#[tokio::test]
async fn gate_says_needed_reached_and_what_is_expected() {
    let world = World::in_memory().await;
    let (_, empty) = get(&world, "/v1/targets/autosave/gate").await;
    assert_eq!(empty, json!({"target": "autosave", "phase": null, "gate": null, "expected": null}));
    world.batch(&healthy(0)).await;
    let (status, gate) = get(&world, "/v1/targets/autosave/gate").await;
    assert_eq!((status, &gate["gate"]["needed_batches"]), (StatusCode::OK, &json!(8)));
    assert_eq!(gate["gate"]["compliant_batches"], json!(1));
    assert_eq!(gate["expected"]["deadline"], json!("2026-11-22T10:35:00.000Z"));
    assert_eq!(get(&world, "/v1/targets/merge/gate").await.0, StatusCode::NOT_FOUND);
}

/// SLO-11 over HTTP: judged, and nothing stored.
#[tokio::test]
async fn evaluation_judges_and_stores_nothing() {
    let world = World::in_memory().await;
    let batch = Counts { save_ms: 2200.0, ..healthy(0) }.batch();
    let base = json!({"target": "autosave", "phase": "A"});
    let with = |key: &str, value: Value| {
        let mut request = base.clone();
        request[key] = value;
        request
    };
    let (status, evaluation) = post(&world, "/v1/evaluations", &with("batch", json!(batch))).await;
    assert_eq!((status, &evaluation["verdict"]), (StatusCode::OK, &json!("warn")), "{evaluation}");
    let mut in_c = with("batches", json!([batch]));
    in_c["phase"] = json!("C");
    assert_eq!(post(&world, "/v1/evaluations", &in_c).await.1["verdict"], json!("violation"));

    let event = json!({"ts": "2026-11-22T10:00:00Z", "name": "autosave.history.drift"});
    let (_, evaluation) = post(&world, "/v1/evaluations", &with("events", json!([event]))).await;
    assert_eq!(evaluation["decisions"][0]["violated"], json!(["history_drift"]));
    let (_, evaluation) = post(&world, "/v1/evaluations", &with("ndjson", json!(format!("{event}\n")))).await;
    assert_eq!(evaluation["verdict"], json!("violation"));

    let strict = world.analyzer.policy().text.replace("warn_ratio: 80%", "warn_ratio: 10%");
    let mut under = with("batch", json!(healthy(0).batch()));
    under["policy"] = json!(strict);
    assert_eq!(post(&world, "/v1/evaluations", &under).await.1["verdict"], json!("warn"));

    for wrong in [base.clone(), with("ndjson", json!("")), with("policy", json!("version: 9")), {
        let mut both = with("batch", json!(batch));
        both["ndjson"] = json!("x");
        both
    }] {
        let (status, problem) = post(&world, "/v1/evaluations", &wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    }
    assert_eq!((world.decisions().await.len(), world.waiting().await), (0, 0));
}

/// The document names every call, each with its errors.
#[test]
fn document_names_every_call() {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/v1/batches",
        "/v1/collector-events",
        "/v1/decisions",
        "/v1/decisions/{id}",
        "/v1/decisions/{id}/explanation",
        "/v1/backtests",
        "/v1/targets/{target}/gate",
        "/v1/evaluations",
        "/healthz",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    assert!(document["paths"]["/v1/batches"]["post"]["responses"]["409"].is_object());
}

/// SLO-10 over HTTP.
#[tokio::test]
async fn decision_is_explained() {
    let world = World::in_memory().await;
    let (version, text) =
        (world.analyzer.policy().version.clone(), std::sync::Arc::clone(&world.analyzer.policy().text));
    world.analyzer.store().keep_policy(&version, &text, world.analyzer.now()).await.unwrap();
    world.batch(&healthy(0)).await;
    let id = world.decisions().await[0].decision_id;
    let (status, explained) = get(&world, &format!("/v1/decisions/{id}/explanation")).await;
    assert_eq!(status, StatusCode::OK, "{explained}");
    assert_eq!(explained["recomputed"], json!({"same": true, "differences": []}));
    let p95 = &explained["metrics"][0];
    assert_eq!((&p95["metric"], &p95["observed"]), (&json!("save_latency_p95"), &json!(0.5)));
    assert_eq!(p95["policy"]["path"], "targets.autosave.phases[0].thresholds.save_latency_p95");
    let (status, _) = get(&world, "/v1/decisions/00000000-0000-0000-0000-000000000000/explanation").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// PO-4 over HTTP: a changed threshold names the windows it changes, with both verdicts; what is wrong is named.
#[tokio::test]
async fn policy_is_tried_on_what_was() {
    let world = World::in_memory().await;
    let policy = std::sync::Arc::clone(&world.analyzer.policy().text);
    let version = world.analyzer.policy().version.clone();
    world.analyzer.store().keep_policy(&version, &policy, world.analyzer.now()).await.unwrap();
    for n in 0..4 {
        world.batch(&Counts { save_ms: 500.0 + f64::from(n) * 400.0, ..healthy(n) }).await;
    }
    let asked = |more: Value| {
        let mut body = json!({"target": "autosave", "from": window(0).start, "to": window(9).end});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let changed = policy.replace("save_latency_p95: 2.5s", "save_latency_p95: 1.5s");
    let (status, found) = post(&world, "/v1/backtests", &asked(json!({"policy": changed}))).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(
        (&found["same"], &found["decisions"], &found["changes"]["total"]),
        (&json!(false), &json!(4), &json!(2))
    );
    let change = &found["changes"]["items"][1];
    assert_eq!(change["window"], json!(window(3)));
    assert_eq!((&change["old"]["verdict"], &change["new"]["verdict"]), (&json!("ok"), &json!("violation")));
    assert_eq!((&found["strip"]["old"], &found["strip"]["new"]), (&json!("oooo"), &json!("oowv")));
    assert_eq!(found["rollbacks"]["gained"], 1);
    for same in [json!({}), json!({"policy_version": version}), json!({"policy": policy, "whole": true})] {
        let (_, found) = post(&world, "/v1/backtests", &asked(same)).await;
        assert_eq!((&found["same"], &found["identical"]), (&json!(true), &json!(4)), "{found}");
    }
    let wrong = [
        (json!({"policy": "version: 1"}), "invalid_policy"),
        (json!({"policy_version": "sha256:none"}), "unknown_policy"),
        (json!({"policy": policy, "policy_version": version}), "invalid_body"),
        (json!({"to": window(0).start}), "invalid_body"),
        (json!({"limit": 10_001}), "invalid_body"),
        (json!({"target": "nobody", "policy": policy}), "unknown_target"),
    ];
    for (more, kind) in wrong {
        let (status, problem) = post(&world, "/v1/backtests", &asked(more)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["type"], format!("urn:phasegate:problem:{kind}"), "{problem}");
    }
}
