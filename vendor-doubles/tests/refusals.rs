//! A double that takes what its vendor refuses proves nothing.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use vendor_doubles::{
    Answered, Mode, PagerDutyDouble, PagerDutyOptions, PagerDutyStatus, SlackDouble, SlackOptions,
};

fn client() -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::new()
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the double answers");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a whole body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn slack_refuses_by_its_error_codes() {
    let slack = SlackDouble::start().await.unwrap();
    let url = format!("{}chat.postMessage", slack.api_url());
    let post = || client().post(&url).bearer_auth(slack.token());
    let good = json!({ "channel": "#a", "text": "x" });
    let cases = [
        (client().post(&url).json(&good), "not_authed"),
        (client().post(&url).bearer_auth("other").json(&good), "invalid_auth"),
        (post().body(good.to_string()), "invalid_post_type"),
        (post().header("content-type", "application/json").body("{"), "invalid_json"),
        (post().json(&json!([])), "json_not_object"),
        (post().json(&json!({ "text": "x" })), "channel_not_found"),
        (post().json(&json!({ "channel": "#a" })), "no_text"),
        (post().json(&json!({ "channel": "#a", "text": "x".repeat(40_001) })), "msg_too_long"),
        (post().json(&json!({ "channel": "#a", "text": "x", "thread": "1.2" })), "invalid_arguments"),
        (post().json(&json!({ "channel": "#a", "text": "x", "thread_ts": "1.2" })), "thread_not_found"),
    ];
    for (request, error) in cases {
        assert_eq!(answer(request).await, (200, json!({ "ok": false, "error": error })));
    }
    assert_eq!(slack.messages(), []);
    assert_eq!(answer(post().json(&good)).await.1["ok"], true);
    assert_eq!(slack.attempts().len(), 11);
}

/// Slack's limits on blocks, each just kept and just broken.
#[tokio::test]
async fn slack_refuses_blocks_beyond_its_limits() {
    let slack = SlackDouble::start().await.unwrap();
    let url = format!("{}chat.postMessage", slack.api_url());
    let section = |length: usize| json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } });
    let button = |id: usize, label: usize, value: usize| {
        let text = json!({ "type": "plain_text", "text": "x".repeat(label) });
        json!({ "type": "button", "action_id": "i".repeat(id), "text": text, "value": "v".repeat(value) })
    };
    let actions = |buttons: Vec<Value>| json!({ "type": "actions", "elements": buttons });
    let numbered = |count: usize| (1..=count).map(|it| button(it, 1, 1)).collect::<Vec<_>>();
    let cases = [
        (json!([section(3000), actions(vec![button(255, 75, 2000)])]), true),
        (json!([section(3001)]), false),
        (json!([section(0)]), false),
        (json!(vec![section(1); 50]), true),
        (json!(vec![section(1); 51]), false),
        (json!([actions(vec![button(256, 1, 1)])]), false),
        (json!([actions(vec![button(1, 76, 1)])]), false),
        (json!([actions(vec![button(1, 1, 2001)])]), false),
        (json!([actions(numbered(25))]), true),
        (json!([actions(numbered(26))]), false),
        (json!([actions(vec![])]), false),
        (json!([actions(vec![button(1, 1, 1); 2])]), false),
        (json!([{ "type": "carousel" }]), false),
    ];
    for (blocks, taken) in cases {
        let body = json!({ "channel": "#a", "text": "x", "blocks": blocks });
        let (_, said) = answer(client().post(&url).bearer_auth(slack.token()).json(&body)).await;
        assert_eq!(said["ok"], taken, "{blocks}");
        assert!(taken || said["error"] == "invalid_blocks", "{said}");
    }
}

#[tokio::test]
async fn slack_takes_one_message_a_second_and_channel_by_either_way() {
    let options = SlackOptions { rate_limited: true, ..SlackOptions::default() };
    let slack = SlackDouble::start_with(options).await.unwrap();
    let webhook = || client().post(slack.webhook_url("#a")).json(&json!({ "text": "x" }));
    assert_eq!(answer(webhook()).await, (200, json!("ok")));
    let refused = webhook().send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (429, &b"1"[..]));
    let other = client().post(slack.webhook_url("#b")).json(&json!({ "text": "x" }));
    assert_eq!(answer(other).await.0, 200);
    assert_eq!(
        answer(client().post(slack.webhook_url("#b")).body("x")).await,
        (400, json!("invalid_payload"))
    );
}

#[tokio::test]
async fn a_mode_holds_for_one_request_and_a_standing_one_for_the_rest() {
    let slack = SlackDouble::start().await.unwrap();
    let post = || {
        client()
            .post(slack.webhook_url("#a"))
            .timeout(Duration::from_millis(200))
            .json(&json!({ "text": "x" }))
    };
    slack
        .next(Mode::AcceptThenDropReply)
        .next(Mode::NeverAnswer)
        .next(Mode::TooManyRequests { retry_after: None });
    slack.always(Mode::ErrorAfterEffect(503));
    let cut = post().send().await.unwrap_err();
    assert!(!cut.is_timeout() && !cut.is_connect(), "{cut:?}");
    assert!(post().send().await.unwrap_err().is_timeout());
    assert_eq!(answer(post()).await.0, 429);
    assert_eq!(answer(post()).await.0, 503);
    assert_eq!(slack.messages().len(), 2);
    let answered: Vec<_> = slack.attempts().into_iter().map(|attempt| attempt.answered).collect();
    let expected = [Answered::Cut, Answered::Nothing, Answered::Status(429), Answered::Status(503)];
    assert_eq!(answered, expected);
    assert!(slack.wait_until(Duration::from_secs(1), |messages| messages.len() == 2).await);
    assert!(!slack.wait_until(Duration::from_millis(1), |messages| messages.len() == 3).await);
}

fn event(pagerduty: &PagerDutyDouble, action: &str, key: &str) -> Value {
    let mut event = json!({
        "routing_key": pagerduty.routing_key(),
        "event_action": action,
        "dedup_key": key,
    });
    if action == "trigger" {
        event["payload"] = json!({ "summary": "s", "source": "x", "severity": "error" });
    }
    event
}

#[tokio::test]
async fn pagerduty_refuses_events_that_break_its_rules() {
    let pagerduty = PagerDutyDouble::start().await.unwrap();
    let url = format!("{}/v2/enqueue", pagerduty.url());
    let with = |path: &str, value: Value| {
        let mut event = event(&pagerduty, "trigger", "k");
        *event.pointer_mut(path).unwrap() = value;
        client().post(&url).json(&event)
    };
    let mut priority = event(&pagerduty, "trigger", "k");
    priority["payload"]["priority"] = json!("P1");
    let mut without_key = event(&pagerduty, "resolve", "k");
    without_key.as_object_mut().unwrap().remove("dedup_key");
    let cases = [
        with("/routing_key", json!("R00000000000000000000000000000000")),
        with("/event_action", json!("open")),
        with("/dedup_key", json!("k".repeat(256))),
        with("/payload/summary", json!("")),
        with("/payload/summary", json!("s".repeat(1025))),
        with("/payload/severity", json!("P1")),
        client().post(&url).json(&priority),
        client().post(&url).json(&without_key),
        client().post(&url).body("{}"),
    ];
    for request in cases {
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["status"]), (400, &json!("invalid event")), "{body}");
    }
    let mut large = event(&pagerduty, "trigger", "k");
    large["payload"]["custom_details"] = json!("x".repeat(512 * 1024));
    assert_eq!(answer(client().post(&url).json(&large)).await.0, 413);
    assert_eq!((pagerduty.incidents(), pagerduty.events()), (vec![], vec![]));
}

#[tokio::test]
async fn pagerduty_groups_by_dedup_key_until_it_is_resolved() {
    let pagerduty = PagerDutyDouble::start().await.unwrap();
    let url = format!("{}/v2/enqueue", pagerduty.url());
    for (action, key) in [
        ("resolve", "k"),
        ("trigger", "k"),
        ("trigger", "k"),
        ("trigger", "other"),
        ("acknowledge", "other"),
        ("resolve", "k"),
        ("trigger", "k"),
    ] {
        assert_eq!(answer(client().post(&url).json(&event(&pagerduty, action, key))).await.0, 202);
    }
    let told: Vec<_> = pagerduty
        .incidents()
        .into_iter()
        .map(|incident| (incident.dedup_key, incident.status, incident.triggers))
        .collect();
    let expected = [
        ("k".to_owned(), PagerDutyStatus::Resolved, 2),
        ("other".to_owned(), PagerDutyStatus::Acknowledged, 1),
        ("k".to_owned(), PagerDutyStatus::Triggered, 1),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn pagerduty_rest_wants_a_token_a_user_and_a_known_priority() {
    let options = PagerDutyOptions { appears_after_lookups: 1, ..PagerDutyOptions::default() };
    let pagerduty = PagerDutyDouble::start_with(options).await.unwrap();
    let token = format!("Token token={}", pagerduty.api_token());
    let enqueue = client().post(format!("{}/v2/enqueue", pagerduty.url()));
    assert_eq!(answer(enqueue.json(&event(&pagerduty, "trigger", "k"))).await.0, 202);
    let incidents = format!("{}/incidents?incident_key=k", pagerduty.url());
    assert_eq!(answer(client().get(&incidents)).await.0, 401);
    let found = || client().get(&incidents).header("authorization", &token);
    assert_eq!(answer(found()).await.1["incidents"], json!([]));
    assert_eq!(answer(found()).await.1["incidents"][0]["status"], "triggered");
    let put = || {
        let url = format!("{}/incidents/PINC0001", pagerduty.url());
        client().put(url).header("authorization", &token)
    };
    let body = |id: &str| json!({ "incident": { "type": "incident_reference", "priority": { "id": id } } });
    assert_eq!(answer(put().json(&body("PPRIOP1"))).await.0, 400);
    let by_user = || put().header("from", "a@example.com");
    assert_eq!(answer(by_user().json(&body("nope"))).await.0, 400);
    assert_eq!(answer(by_user().json(&body("PPRIOP1"))).await.0, 200);
    assert_eq!(pagerduty.incidents()[0].priority.as_deref(), Some("P1"));
}
