//! Buttons pressed in Slack: signed, fresh, once, by people who are known and may.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::effects::PostMessage;
use domain::rollout::Event;
use reporter_svc::notifiers::slack::{Slack, SlackAccess, SlackInbound, SlackSettings, SlackUsers};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use shared_types::Timestamp;
use tower::ServiceExt as _;
use vendor_doubles::{SlackDouble, SlackMessage, SlackPress};

use crate::rig::{Rig, minutes, shipped};

const USERS: &str = "U1=ana:sre,dev-lead; U2=ben:dev-lead; U3=eve:sre; U4=vic:viewer";

/// A reporter that takes requests of this Slack.
async fn rig(double: &SlackDouble) -> Rig {
    let mut rig = Rig::in_memory_under(shipped()).await;
    rig.slack = Some(Arc::new(SlackInbound {
        signing_secret: double.signing_secret().into(),
        users: SlackUsers::parse(USERS).unwrap(),
    }));
    rig
}

/// The newest message with that button, as Slack shows it.
async fn shown(rig: &Rig, double: &SlackDouble, action_id: &str) -> SlackMessage {
    let messages: Vec<PostMessage> =
        rig.world.messages.lock().unwrap().iter().map(|it| it.0.clone()).collect();
    let wanted = messages.into_iter().rev().find(|it| it.buttons.iter().any(|act| act.id() == action_id));
    let message = wanted.expect("a message with that button");
    let access = SlackAccess::BotToken { token: double.token().into(), api_url: double.api_url() };
    let timeout = std::time::Duration::from_secs(20);
    let settings = SlackSettings { access, buttons: true, timeout };
    let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
    let slack = Slack::new(settings, clock).unwrap();
    let sent = reporter_svc::notifiers::Notifier::post(&slack, &message, None, false).await;
    assert!(matches!(sent, service_kit::outbox::Outcome::Done(_)), "{sent:?}");
    double.messages().pop().unwrap()
}

async fn send(app: &Router, press: &SlackPress) -> (StatusCode, Value) {
    let mut request = Request::builder().method("POST").uri("/v1/webhooks/slack");
    for (name, value) in &press.headers {
        request = request.header(*name, value);
    }
    let response = app.clone().oneshot(request.body(Body::from(press.body.clone())).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn with_header(press: &SlackPress, name: &str, value: &str) -> SlackPress {
    let mut press = press.clone();
    press.headers.iter_mut().filter(|it| it.0 == name).for_each(|it| it.1 = value.to_owned());
    press
}

async fn approvals(rig: &Rig) -> Vec<String> {
    rig.state().await.approvals.iter().map(|it| format!("{} as {}", it.by, it.role)).collect()
}

/// PH-2, NO-5: the message that asks for approvals is posted once, and its buttons approve.
#[tokio::test]
async fn approvals_are_given_by_buttons() {
    let double = SlackDouble::start().await.unwrap();
    let rig = rig(&double).await;
    rig.bring_to("A").await;
    rig.ripen().await;
    rig.ripen().await;
    assert_eq!(rig.texts("#autosave-rollout").len(), 1);
    insta::assert_snapshot!(rig.texts("#autosave-rollout")[0], @r"
    🗳️ AutoSave A is ready for B / approval=sre, dev-lead
    `phasegate approve --target autosave --phase A --role sre`
    `phasegate approve --target autosave --phase A --role dev-lead`
    ");
    let message = shown(&rig, &double, "approve:sre").await;
    assert_eq!(message.buttons(), ["approve:sre", "approve:dev-lead"]);
    let app = rig.router();
    let press = |id: &str, user: &str| double.press(&message, id, user, rig.clock.now()).unwrap();
    let (status, answer) = send(&app, &press("approve:sre", "U3")).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("done")));
    let (_, answer) = send(&app, &press("approve:dev-lead", "U2")).await;
    assert_eq!(answer["outcome"], "done");
    assert_eq!(approvals(&rig).await, ["eve as sre", "ben as dev-lead"]);
    rig.work().await;
    let told: Vec<_> =
        rig.world.answers.lock().unwrap().iter().map(|it| (it.user.clone(), it.text.clone())).collect();
    assert_eq!(
        told[0],
        ("U3".to_owned(), "eve approves autosave as sre: the move out of phase A.".to_owned())
    );
    assert_eq!(told.len(), 2);
}

/// PH-5: forged, old, replayed, outdated and self-given approvals, and those of strangers: nothing comes of any.
#[tokio::test]
async fn nothing_comes_of_forged_old_replayed_or_foreign_presses() {
    let double = SlackDouble::start().await.unwrap();
    let rig = rig(&double).await;
    rig.bring_to("A").await;
    rig.ripen().await;
    let message = shown(&rig, &double, "approve:sre").await;
    let app = rig.router();
    let now = rig.clock.now();
    let press = |id: &str, user: &str, at: Timestamp| double.press(&message, id, user, at).unwrap();
    let good = press("approve:sre", "U3", now);
    let digits = good.headers.iter().find(|it| it.0 == "x-slack-signature").unwrap().1.clone();
    let forged = [
        ("another signature", with_header(&good, "x-slack-signature", &format!("v0={}", "0".repeat(64)))),
        ("another version", with_header(&good, "x-slack-signature", &digits.replace("v0", "v9"))),
        ("another time", with_header(&good, "x-slack-request-timestamp", "1700000000")),
        ("another body", SlackPress { body: good.body.replace("U3", "U1"), ..good.clone() }),
        ("no signature", SlackPress { headers: good.headers[..2].to_vec(), ..good.clone() }),
        ("six minutes old", press("approve:sre", "U3", now.minus(minutes(6)))),
        ("six minutes early", press("approve:sre", "U3", now.plus(minutes(6)))),
    ];
    for (what, press) in &forged {
        assert_eq!(send(&app, press).await.0, StatusCode::UNAUTHORIZED, "{what}");
    }
    let refused = [
        ("a stranger", press("approve:sre", "U9", now), "names no Slack user U9"),
        (
            "a role one does not hold",
            press("approve:sre", "U2", now),
            "ben holds the roles dev-lead, not sre",
        ),
        ("a viewer", press("approve:dev-lead", "U4", now), "vic holds the roles viewer, not dev-lead"),
    ];
    for (what, press, why) in &refused {
        let (status, answer) = send(&app, press).await;
        assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("refused")), "{what}");
        assert!(answer["text"].as_str().unwrap().contains(why), "{what}: {answer}");
    }
    assert_eq!(approvals(&rig).await, Vec::<String>::new());

    assert_eq!(send(&app, &good).await.1["outcome"], "done");
    let withdraw = Event::Withdraw { by: "eve".into(), role: "sre".into() };
    rig.event(withdraw.clone()).await;
    let (status, answer) = send(&app, &good).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("repeated")));
    assert_eq!(approvals(&rig).await, Vec::<String>::new(), "a replay approves nothing");
    let later = press("approve:sre", "U1", now.plus(minutes(1)));
    assert_eq!(send(&app, &later).await.1["outcome"], "done");
    let both = press("approve:dev-lead", "U1", now.plus(minutes(1)));
    let (_, answer) = send(&app, &both).await;
    assert!(answer["text"].as_str().unwrap().contains("has to be somebody else"), "{answer}");
    rig.event(Event::Withdraw { by: "ana".into(), role: "sre".into() }).await;
    assert_eq!(send(&app, &both).await.1["outcome"], "repeated", "what was refused stays so");
    assert_eq!(approvals(&rig).await, Vec::<String>::new());

    rig.violation().await;
    let outdated = press("approve:sre", "U3", rig.clock.now());
    let (_, answer) = send(&app, &outdated).await;
    assert_eq!(answer["outcome"], "refused", "another epoch");
    assert_eq!(approvals(&rig).await, Vec::<String>::new());
}

/// ES-3: the incident's message has a button that acknowledges it, for those who may.
#[tokio::test]
async fn an_incident_is_acknowledged_by_its_button() {
    let double = SlackDouble::start().await.unwrap();
    let rig = rig(&double).await;
    rig.bring_to("B").await;
    rig.violation().await;
    let message = shown(&rig, &double, "acknowledge").await;
    let app = rig.router();
    let press = |user: &str, at: Timestamp| double.press(&message, "acknowledge", user, at).unwrap();
    let (_, answer) = send(&app, &press("U4", rig.clock.now())).await;
    assert_eq!(answer["text"], "Not done: the roles of vic (viewer) do not allow it.");
    assert_eq!(rig.incident().await.acknowledged_by, None);
    let good = press("U3", rig.clock.now());
    assert_eq!(send(&app, &good).await.1["outcome"], "done");
    assert_eq!(rig.incident().await.acknowledged_by.as_deref(), Some("eve"));
    assert_eq!(send(&app, &good).await.1["outcome"], "repeated");
    rig.pass(minutes(40)).await;
    assert_eq!(rig.incident().await.escalated_at, None);
}

/// Without a signing secret nothing from Slack is taken; a signed body that is no press is refused by name.
#[tokio::test]
async fn what_is_no_press_is_refused() {
    let double = SlackDouble::start().await.unwrap();
    let deaf = Rig::in_memory_under(shipped()).await;
    let any = double.signed("payload=%7B%7D", deaf.clock.now());
    assert_eq!(send(&deaf.router(), &any).await.0, StatusCode::NOT_FOUND);
    let rig = rig(&double).await;
    let (status, problem) = send(&rig.router(), &any).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["type"], "urn:phasegate:problem:invalid_interaction");
}
