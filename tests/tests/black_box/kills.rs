//! SIGKILL at any moment while violations flow: nothing is lost, nothing happens twice.

use std::collections::BTreeSet;
use std::time::Duration;

use phasegate_tests::archive;
use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::{Layout, Stack};
use phasegate_tests::wait;
use serde_json::json;

use crate::story::POLICY;

/// Kills in all; every service gets its share, at moments spread over the whole cycle of a violation.
const KILLS: u64 = 51;

/// After so many kills the violation under way is awaited: no run proves anything by never getting that far.
const KILLS_A_VIOLATION: u64 = 3;

/// DE-5, RB-3, TE-5, CO-1: every violating batch's rollback happened once, every accepted event counted once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_51_kills_of_three_services() {
    survives_kills(Layout::ThreeOnPostgres, KILLS).await;
}

/// The same for one process on SQLite.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_12_kills_of_one_process() {
    survives_kills(Layout::OneOnSqlite, 12).await;
}

async fn survives_kills(layout: Layout, kills: u64) {
    let mut stack = Stack::start(layout, &POLICY.replace("window: 2s", "window: 1s"), &[]).await;
    let feeder = Feeder::start(&stack.url("collector", ""));
    feeder.violate(true);
    let mut pauses = Pauses::seeded(7);
    let names = stack.process_names();
    for (round, name) in (1..=kills).zip(names.iter().cycle()) {
        // Off after a rollback: start again, so that the next violation flows. Refused while one runs.
        try_start(&stack).await;
        tokio::time::sleep(pauses.next_up()).await;
        stack.kill(name);
        tokio::time::sleep(pauses.next_down()).await;
        stack.launch(name);
        if round % KILLS_A_VIOLATION == 0 {
            until_one_more_rollback(&stack).await;
        }
    }
    for service in phasegate_tests::stack::SERVICES {
        stack.until_healthy(service).await;
    }
    until_one_more_rollback(&stack).await;
    until_settled_in_off(&stack).await;
    let accepted = feeder.stop().await;
    until_all_is_counted(&stack, accepted).await;
    every_violation_has_exactly_one_rollback(&stack).await;
}

async fn try_start(stack: &Stack) {
    let url = stack.url("reporter", "/v1/rollouts/autosave/start");
    // Down or not off: either is fine, the next round asks again.
    stack.http.post(url).json(&json!({"by": "kill test"})).send().await.ok();
}

/// However the kills fell, the violation ends in a rollback to `off`, and so does the next one.
async fn until_one_more_rollback(stack: &Stack) {
    let before = rollbacks(stack);
    wait::until("one more rollback", || async {
        try_start(stack).await;
        if rollbacks(stack) > before { Ok(()) } else { Err(stack.logs()) }
    })
    .await;
}

async fn until_settled_in_off(stack: &Stack) {
    wait::until("the rollout to settle in off", || async {
        let rollout = stack.get("reporter", "/v1/rollouts/autosave").await?;
        if rollout["state"] == "off" && rollout["transition"]["state"] == "succeeded" {
            Ok(())
        } else {
            Err(rollout.to_string())
        }
    })
    .await;
}

fn rollbacks(stack: &Stack) -> usize {
    stack.phase_changes().iter().filter(|change| change.as_str() == "A off").count()
}

/// TE-5: what the archive's batches count, late and duplicate included, is what was accepted.
pub(crate) async fn until_all_is_counted(stack: &Stack, accepted: u64) {
    wait::until("every accepted event to be counted once", || async {
        let (counted, windows) = archived(stack);
        assert!(counted <= accepted, "{counted} counted of {accepted} accepted: something was counted twice");
        if counted == accepted {
            Ok(())
        } else {
            Err(format!("{counted} of {accepted} in {windows} windows"))
        }
    })
    .await;
}

pub(crate) fn archived(stack: &Stack) -> (u64, usize) {
    archive::counted(&stack.data_file("logs/autosave"))
}

/// DE-3, DE-4, RB-1: each incident one step down; each violating decision of a current epoch in one incident.
async fn every_violation_has_exactly_one_rollback(stack: &Stack) {
    let incidents = stack.get("reporter", "/v1/incidents?limit=1000").await.expect("the incidents");
    let incidents = incidents["items"].as_array().expect("a list").clone();
    println!("{} incidents, {} phase changes", incidents.len(), stack.phase_changes().len());
    let rollbacks = rollbacks(stack);
    assert_eq!(
        rollbacks,
        incidents.len(),
        "one effective rollback an incident: {:?}\n{}",
        stack.phase_changes(),
        stack.logs()
    );
    let mut claimed = BTreeSet::new();
    for incident in &incidents {
        assert_eq!(incident["rollback"]["state"], "succeeded", "{incident}");
        // The list leaves the decisions out.
        let whole = format!("/v1/incidents/{}", incident["id"].as_str().expect("an id"));
        let whole = stack.get("reporter", &whole).await.expect("the incident");
        let decisions = whole["decisions"].as_array().expect("decisions");
        assert!(!decisions.is_empty(), "{whole}");
        for decision in decisions {
            assert!(claimed.insert(decision.to_string()), "decision {decision} in two incidents");
        }
    }
    let epochs: BTreeSet<u64> = incidents.iter().filter_map(|incident| incident["epoch"].as_u64()).collect();
    assert_eq!(epochs.len(), incidents.len(), "no epoch was left twice");
    let decisions = stack
        .get("analyzer", "/v1/decisions?target=autosave&verdict=violation&limit=1000")
        .await
        .expect("the decisions");
    let violating: BTreeSet<u64> = decisions["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|decision| decision["epoch"].as_u64())
        .collect();
    let lost: Vec<&u64> = violating.difference(&epochs).collect();
    assert!(lost.is_empty(), "epochs with a violation and no incident: {lost:?}");
}

/// Spread, repeatable pauses (a small linear congruential generator).
struct Pauses(u64);

impl Pauses {
    fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn next_up(&mut self) -> Duration {
        Duration::from_millis(300 + self.next(1_900))
    }

    fn next_down(&mut self) -> Duration {
        Duration::from_millis(self.next(400))
    }
}
