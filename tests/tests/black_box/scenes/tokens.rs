//! With tokens: the services know each other, people do what their roles allow, and what is revoked ends.

use std::path::Path;

use phasegate_tests::feeder::push_body;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::{cli, wait};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::begin;
use crate::story::POLICY;

/// A new token in the file, by the command that people use.
fn create(file: &Path, name: &str, roles: &[&str]) -> String {
    let mut arguments = vec!["token", "create", "--name", name, "--file", file.to_str().expect("a path")];
    roles.iter().for_each(|role| arguments.extend(["--role", role]));
    let ran = cli::phasegate(&arguments);
    assert_eq!(ran.status, Some(0), "{}", ran.err);
    ran.out.trim().to_owned()
}

async fn started(file: &Path) -> Stack {
    let services = create(file, "phasegate", &["service:collector", "service:analyzer", "service:reporter"]);
    let environment =
        [("PHASEGATE_TOKENS", file.display().to_string()), ("PHASEGATE_SERVICE_TOKEN", services)];
    Stack::start(Layout::OneOnSqlite, POLICY, &environment).await
}

async fn detail(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap_or_default();
    (status, problem["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn roles_hold_from_telemetry_to_browser_and_a_revoked_token_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("tokens");
    let (sre, viewer) = (create(&file, "alice", &["sre"]), create(&file, "victor", &["viewer"]));
    let app = create(&file, "autosave", &["service:telemetry"]);
    let mut stack = started(&file).await;

    // Nobody, and somebody who may only look.
    let start = stack.url("reporter", "/v1/rollouts/autosave/start");
    let attempt = |token: Option<&str>| {
        let call = stack.http.post(&start).json(&json!({}));
        token.map_or_else(
            || call.try_clone().expect("no stream"),
            |token| stack.http.post(&start).json(&json!({})).bearer_auth(token),
        )
    };
    assert_eq!(attempt(None).send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let refused = detail(attempt(Some(&viewer)).send().await.expect("an answer")).await;
    assert_eq!(refused.0, 403);
    assert!(
        refused.1.contains("dev-lead, release-ops, sre") && refused.1.contains("victor"),
        "{}",
        refused.1
    );

    // The whole way: directive, telemetry, batch, decision, each by the role of its service.
    stack.token = Some(sre.clone());
    begin(&stack).await;
    let events = stack.url("collector", "/v1/targets/autosave/events");
    let push = |token: &str| {
        stack
            .http
            .post(&events)
            .bearer_auth(token)
            .header("content-type", "application/x-ndjson")
            .body(push_body(1, 10))
    };
    assert_eq!(push(&app).send().await.expect("an answer").status(), StatusCode::ACCEPTED);
    assert_eq!(push(&sre).send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    let look = stack.http.get(stack.url("reporter", "/v1/incidents")).bearer_auth(&app);
    assert_eq!(look.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    stack.until_dashboard("a judged window", |target| target["window"].is_object()).await;

    pauses_are_audited(&stack).await;

    signed_out(&stack, &sre).await;
    let cookie = signed_in(&stack, &sre).await;
    revoked(&mut stack, &file, &sre, &cookie).await;
}

/// CO-7, GO-4: a pause at the collector, whoever it says it is by, becomes a row of the reporter's log by whom the token
/// names, and so does its end.
async fn pauses_are_audited(stack: &Stack) {
    for seconds in [60, 0] {
        let body = json!({ "seconds": seconds, "by": "mallory" });
        let (status, answer) = stack.post("collector", "/v1/targets/autosave/pause", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let rows = wait::until("the rows of the pause", || async {
        let page = stack.get("reporter", "/v1/audit?target=autosave&actor=alice&limit=2").await?;
        if page["items"][0]["action"] == "collector.resume" { Ok(page) } else { Err(page.to_string()) }
    })
    .await;
    let pause = &rows["items"][1];
    assert_eq!((&pause["action"], &pause["actor"]["via"]), (&json!("collector.pause"), &json!("collector")));
    assert_eq!(pause["actor"]["verified"], true);
    let forged = json!({
        "id": uuid::Uuid::nil(), "target": "autosave", "kind": "collector.pause", "at": pause["at"],
        "paused_until": null, "actor": { "name": "alice", "roles": [], "via": "collector", "verified": true },
    });
    assert_eq!(stack.post("reporter", "/v1/audit/acts", &forged).await.0, 403, "only a collector tells");
}

/// A session reads by its cookie alone, and changes nothing without proof that our own page asks.
async fn signed_in(stack: &Stack, token: &str) -> String {
    let session = stack.url("reporter", "/v1/session");
    let answer = stack.http.post(&session).bearer_auth(token).send().await.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/; Max-Age="), "{cookie}");
    let signed_in: Value = answer.json().await.expect("JSON");
    assert_eq!((&signed_in["name"], &signed_in["roles"]), (&json!("alice"), &json!(["viewer", "sre"])));
    let cookie = cookie.split(';').next().expect("a pair").to_owned();

    let shown = stack.http.get(&session).header("cookie", &cookie).send().await.expect("an answer");
    let shown: Value = shown.json().await.expect("JSON");
    assert_eq!(shown["how"], "session");
    let at_collector =
        stack.http.get(stack.url("collector", "/v1/targets/autosave")).header("cookie", &cookie);
    assert_eq!(at_collector.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);

    let rollback = || {
        let call = stack.http.post(stack.url("reporter", "/v1/rollouts/autosave/rollbacks"));
        call.header("cookie", &cookie).json(&json!({"phase": "C", "reason": "a try"}))
    };
    assert_eq!(detail(rollback().send().await.expect("an answer")).await.0, 403);
    let ours = rollback().header("x-phasegate-request", "1").header("sec-fetch-site", "same-origin");
    let (status, detail) = detail(ours.send().await.expect("an answer")).await;
    assert_eq!(status, 409, "the machine's own refusal, as the phase is A: {detail}");
    cookie
}

/// SE-3: who has signed out is out, whoever has a copy of the cookie.
async fn signed_out(stack: &Stack, token: &str) {
    let session = stack.url("reporter", "/v1/session");
    let answer = stack.http.post(&session).bearer_auth(token).send().await.expect("an answer");
    let cookie =
        answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let looks = || stack.http.get(&session).header("cookie", &cookie).send();
    assert_eq!(looks().await.expect("an answer").status(), StatusCode::OK);
    let out = stack.http.delete(&session).header("cookie", &cookie);
    let out = out.header("x-phasegate-request", "1").header("sec-fetch-site", "same-origin");
    assert_eq!(out.send().await.expect("an answer").status(), StatusCode::NO_CONTENT);
    assert_eq!(looks().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}

async fn revoked(stack: &mut Stack, file: &Path, token: &str, cookie: &str) {
    let ran =
        cli::phasegate(&["token", "revoke", "--name", "alice", "--file", file.to_str().expect("a path")]);
    assert_eq!(ran.status, Some(0), "{}", ran.err);
    let dashboard = stack.url("reporter", "/v1/dashboard");
    wait::until("the revoked token to be refused", || async {
        let answer = stack.http.get(&dashboard).bearer_auth(token).send().await.expect("an answer");
        if answer.status() == StatusCode::UNAUTHORIZED { Ok(()) } else { Err(answer.status().to_string()) }
    })
    .await;
    let by_cookie = stack.http.get(&dashboard).header("cookie", cookie).send().await.expect("an answer");
    assert_eq!(by_cookie.status(), StatusCode::UNAUTHORIZED, "the session ends with its token");

    // A new token is known without a restart.
    stack.token = Some(create(file, "carol", &["viewer"]));
    wait::until("the new token to be known", || async { stack.get("reporter", "/v1/dashboard").await }).await;
}
