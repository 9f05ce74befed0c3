//! The flag system refuses the rollback: tried as often as promised, then a person is called.

use std::fs;

use phasegate_tests::doubles::PagerDutyIncident;
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::{Value, json};

use crate::story::POLICY;

/// RB-4: five attempts, then P1 and `#incident`, and the rollback stands as failed with its output until a
/// person retries it; then it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_five_times_calls_a_person_who_retries_it() {
    let vendors = Vendors::start().await;
    let stack = Stack::start(Layout::ThreeOnPostgres, POLICY, &vendors.environment()).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    let refuse = stack.flag_file().with_extension("refuse");
    fs::write(&refuse, "").expect("the refusal");
    feeder.violate(true);
    let rollout = wait::until("the rollback to have failed", || async {
        let rollout = stack.get("reporter", "/v1/rollouts/autosave").await?;
        if rollout["transition"]["state"] == "failed" { Ok(rollout) } else { Err(rollout.to_string()) }
    })
    .await;
    feeder.stop().await;
    assert_eq!(attempts(&stack), 5, "one attempt and four retries");
    assert_eq!((&rollout["phase"], &rollout["state"]), (&json!("A"), &json!("incident")), "{rollout}");
    a_person_was_called(&stack, &vendors).await;

    fs::remove_file(refuse).expect("no more refusal");
    let dead = the_dead_effect(&stack).await;
    let path = format!("/v1/effects/{}/retry", dead["id"].as_str().expect("an id"));
    let again = stack.act(&path, &json!({})).await;
    assert_ne!(again["state"], "dead", "{again}");
    stack.until_phase("off", "off").await;
    assert_eq!((attempts(&stack), stack.served_phase()), (6, "off".to_owned()));
    assert_eq!(stack.phase_changes(), ["off A", "A off"]);
    let incident = the_incident(&stack).await;
    assert_eq!(incident["rollback"]["state"], "succeeded", "{incident}");
    let (status, refused) = stack.post("reporter", &path, &json!({})).await;
    assert_eq!(
        (status, &refused["status"]),
        (409, &json!(409)),
        "a finished one is not run again: {refused}"
    );
}

async fn a_person_was_called(stack: &Stack, vendors: &Vendors) {
    let critical = |incidents: &[PagerDutyIncident]| {
        incidents.len() == 1 && incidents[0].severity == "critical" && incidents[0].triggers == 2
    };
    assert!(
        vendors.pagerduty.wait_until(wait::PATIENCE, critical).await,
        "{:?}",
        vendors.pagerduty.incidents()
    );
    let escalated = |messages: &[phasegate_tests::doubles::SlackMessage]| {
        messages.iter().any(|it| it.channel == "#incident")
    };
    assert!(vendors.slack.wait_until(wait::PATIENCE, escalated).await, "{:?}", vendors.slack.messages());
    let incident = the_incident(stack).await;
    assert_eq!(
        (&incident["priority"], &incident["rollback"]["state"]),
        (&json!("P1"), &json!("failed")),
        "{incident}"
    );
    let dead = the_dead_effect(stack).await;
    assert_eq!(dead["failures"], 5, "{dead}");
    let said = dead["last_error"].as_str().unwrap_or_default();
    assert!(said.contains("the flag server says no"), "the output is kept: {dead}");
    let ready = stack.get("reporter", "/readyz").await.expect("still ready");
    assert!(ready.to_string().contains("degraded"), "{ready}");
}

fn attempts(stack: &Stack) -> usize {
    stack.journal().iter().filter(|line| line.as_str() == "off attempt").count()
}

async fn the_dead_effect(stack: &Stack) -> Value {
    let effects = stack.get("reporter", "/v1/effects?state=dead").await.expect("the effects");
    let items = effects["items"].as_array().expect("a list");
    assert_eq!((items.len(), &items[0]["kind"]), (1, &json!("RunTransition")), "{effects}");
    items[0].clone()
}

async fn the_incident(stack: &Stack) -> Value {
    let incidents = stack.get("reporter", "/v1/incidents").await.expect("the incidents");
    let items = incidents["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{incidents}");
    items[0].clone()
}
