//! A rollout from its start to a violation in B and the recovery in A, whatever tells of it.

use std::fs;

use phasegate_tests::stack::Stack;
use phasegate_tests::vendors::Vendors;
use phasegate_tests::wait;
use serde_json::json;

/// As [`rolls_back_and_recovers`], moved by the harness's own commands, whose journal is looked at.
///
/// # Panics
/// There was another change of phase, incident or message than those of one rollback.
pub async fn rolls_back_once_and_recovers(stack: &Stack, vendors: &Vendors, violate: impl FnOnce()) {
    rolls_back_and_recovers(stack, vendors, violate).await;
    assert_eq!(stack.phase_changes(), ["off A", "A B", "B A"], "{}", stack.logs());
}

/// Starts the rollout, promotes it, has B violate its limit of errors, and waits until A has recovered.
///
/// # Panics
/// There was another incident or message than those of one rollback.
pub async fn rolls_back_and_recovers(stack: &Stack, vendors: &Vendors, violate: impl FnOnce()) {
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    stack.until_phase("A", "running").await;
    stack.promote_when_ripe().await;
    stack.until_phase("B", "running").await;

    violate();
    stack.until_phase("A", "incident").await;
    stack.until_phase("A", "running").await;

    let incidents = stack.get("reporter", "/v1/incidents").await.expect("the incidents");
    let items = incidents["items"].as_array().expect("a list");
    assert_eq!((items.len(), &items[0]["metric"]), (1, &json!("error_rate")), "{incidents}");
    assert_eq!(items[0]["rollback"]["state"], "succeeded");
    assert_eq!(vendors.messages_with("🚨 AutoSave B violation").len(), 1);
}

/// Starts targets that have a flag each, and waits until windows of their first phase are counted.
///
/// # Panics
/// They are not started.
pub async fn starts<'n>(stack: &Stack, names: impl IntoIterator<Item = &'n str> + Clone) {
    for name in names.clone() {
        fs::write(format!("{}-{name}", stack.flag_file().display()), "off").expect("its flag");
        stack.act(&format!("/v1/rollouts/{name}/start"), &json!({"by": "release engineer"})).await;
    }
    for name in names {
        wait::until(&format!("a window of {name} in A"), || async {
            let view = stack.get("collector", &format!("/v1/targets/{name}")).await?;
            if view["current"]["phase"] == "A" { Ok(()) } else { Err(view.to_string()) }
        })
        .await;
    }
}
