//! Vendors that misbehave: what people see is one message and one page, or the log says why there are two.

use phasegate_tests::doubles::{Answered, Attempt, Mode, PagerDutyIncident, SlackMessage};
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

use crate::story::POLICY;

const CHANNEL: &str = "#incident-autosave";

/// NO-3, NO-4, NO-5, ES-1: 429 is obeyed and not a second message; a lost reply is sent again, and marked;
/// PagerDuty's failure after the effect is sent again under the same key and stays one incident.
#[tokio::test(flavor = "multi_thread")]
async fn vendors_that_fail_get_everything_once_or_marked() {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &vendors.environment()).await;
    let feeder = Feeder::start(&stack.url("collector", ""));

    vendors.slack.next(Mode::TooManyRequests { retry_after: Some(2) });
    vendors.pagerduty.next(Mode::ErrorBeforeEffect(500));
    violate(&stack, &feeder).await;
    until_messages(&vendors, 1).await;
    let tries = vendors.slack.attempts();
    assert_eq!(answers(&tries), [Answered::Status(429), Answered::Status(200)]);
    let pause = tries[1].at.as_millis() - tries[0].at.as_millis();
    assert!(pause >= 2_000, "Retry-After: 2, and tried again after {pause} ms");
    let told = told(&stack, "incident").await;
    assert_eq!((&told["state"], &told["unknowns"]), (&json!("sent"), &json!(0)), "{told}");
    until_incidents(&vendors, |all| all.len() == 1 && all[0].triggers == 1).await;

    vendors.slack.next(Mode::AcceptThenDropReply);
    vendors.pagerduty.next(Mode::ErrorAfterEffect(500));
    violate(&stack, &feeder).await;
    until_messages(&vendors, 3).await;
    let messages = vendors.slack.messages_in(CHANNEL);
    assert_eq!(messages[1].text, messages[2].text, "the second may be there twice");
    let told = self::told(&stack, "incident").await;
    assert_eq!(
        (&told["state"], &told["unknowns"], &told["attempts"]),
        (&json!("sent"), &json!(1), &json!(2)),
        "{told}"
    );
    until_incidents(&vendors, |all| all.len() == 2 && all[1].triggers == 2).await;
    feeder.stop().await;
}

fn answers(attempts: &[Attempt]) -> Vec<Answered> {
    attempts.iter().map(|attempt| attempt.answered).collect()
}

/// One violation in phase A, and its rollback.
async fn violate(stack: &Stack, feeder: &Feeder) {
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    feeder.violate(true);
    stack.until_phase("off", "off").await;
    feeder.violate(false);
}

async fn until_messages(vendors: &Vendors, count: usize) {
    let there =
        |all: &[SlackMessage]| all.iter().filter(|message| message.channel == CHANNEL).count() == count;
    assert!(vendors.slack.wait_until(wait::PATIENCE, there).await, "{:?}", vendors.slack.messages());
}

async fn until_incidents(vendors: &Vendors, there: impl Fn(&[PagerDutyIncident]) -> bool) {
    let incidents = || vendors.pagerduty.incidents();
    assert!(vendors.pagerduty.wait_until(wait::PATIENCE, there).await, "{:?}", incidents());
}

/// The newest notification of this kind, once it has got through.
async fn told(stack: &Stack, kind: &str) -> Value {
    let path = format!("/v1/notifications?target=autosave&kind={kind}&limit=1");
    wait::until("the notification to be recorded as sent", || async {
        let page = stack.get("reporter", &path).await?;
        let newest = &page["items"][0];
        if newest["state"] == "sent" { Ok(newest.clone()) } else { Err(page.to_string()) }
    })
    .await
}
