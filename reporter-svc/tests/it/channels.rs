//! The ways to people, and what flag systems serve, looked at when somebody asks (NO-7, RB-11).

use axum::http::StatusCode;
use serde_json::{Value, json};
use service_kit::outbox::Outcome;

use crate::api::{call, call_with};
use crate::drift::read_back;
use crate::rig::Rig;

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().filter_map(|it| it["channel"].as_str()).collect()
}

/// NO-7: each channel once and the pager, and nothing is sent for it.
#[tokio::test]
async fn a_look_names_every_channel_and_sends_nothing() {
    let rig = Rig::in_memory().await;
    let (status, page) = call(&rig.router(), "GET", "/v1/channels", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        names(&page),
        ["runbook", "#autosave-rollout", "#incident", "#incident-autosave", "pagerduty"],
        "{page}"
    );
    assert_eq!(page["items"][3]["targets"], json!(["autosave"]));
    assert!(rig.world.messages.lock().unwrap().is_empty() && rig.world.notices.lock().unwrap().is_empty());
}

/// NO-7: a test message through each says that it is one, whose it is, and what came of it; and it is a row of the audit log.
#[tokio::test]
async fn a_test_goes_through_every_channel_and_is_audited() {
    let rig = Rig::in_memory().await;
    let app = rig.router_with_tokens(&[("ana", "sre"), ("vic", "viewer")]);
    let (status, _) =
        call_with(&app, "POST", "/v1/channels/test", Some(json!({})), &[("authorization", "Bearer vic")])
            .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(rig.world.messages.lock().unwrap().is_empty());

    rig.world.slack.lock().unwrap().push_back(Outcome::Never { reason: "channel_not_found".to_owned() });
    let (status, page) =
        call_with(&app, "POST", "/v1/channels/test", Some(json!({})), &[("authorization", "Bearer ana")])
            .await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let of = |name: &str| {
        page["items"].as_array().unwrap().iter().find(|it| it["channel"] == name).unwrap().clone()
    };
    assert_eq!(of("#autosave-rollout")["detail"], "channel_not_found", "{page}");
    assert_eq!(of("#autosave-rollout")["state"], "failing");
    assert_eq!(of("#incident")["detail"], "delivered");
    assert_eq!(of("runbook")["detail"], "this reporter has no notifier called runbook", "the rig has none");
    assert_eq!(of("pagerduty")["detail"], "delivered");
    let messages = rig.world.messages.lock().unwrap().clone();
    assert!(messages.len() >= 3, "{messages:?}");
    for (message, ..) in &messages {
        assert!(
            message.text.starts_with("TEST of Phasegate's channels, asked for by ana at "),
            "{}",
            message.text
        );
        assert!(message.of_loss && message.incident.is_none() && message.buttons.is_empty());
    }
    let notices = rig.world.notices.lock().unwrap().clone();
    assert!(notices.len() == 1 && notices[0].dedup_key.starts_with("phasegate-test/"), "{notices:?}");
    let (_, rows) =
        call_with(&app, "GET", "/v1/audit?action=channels.tested", None, &[("authorization", "Bearer ana")])
            .await;
    assert_eq!(rows["items"][0]["actor"]["name"], "ana", "{rows}");
    rig.assert_nothing_is_left().await;
}

/// RB-11: what is served is read when somebody asks who may, and nothing follows from it.
#[tokio::test]
async fn what_is_served_is_read_when_somebody_asks() {
    let rig = Rig::in_memory_under(read_back()).await;
    let app = rig.router_with_tokens(&[("ana", "sre"), ("vic", "viewer")]);
    let ask = async |who: &'static str| {
        let bearer = [("authorization", who)];
        call_with(&app, "GET", "/v1/rollouts/autosave/served", None, &bearer).await
    };
    assert_eq!(ask("Bearer vic").await.0, StatusCode::FORBIDDEN, "it may run a command");
    assert_eq!(ask("Bearer ana").await.1["state"], "not_asked", "it has not begun");
    rig.bring_to("A").await;
    assert_eq!(ask("Bearer ana").await.1["state"], "as_recorded");
    *rig.world.tampered.lock().unwrap() = Some("50%".to_owned());
    let (status, served) = ask("Bearer ana").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&served["state"], &served["detail"]), (&json!("other"), &json!("50%")), "{served}");
    assert!(rig.state().await.served.is_as_recorded(), "nothing follows");
}
