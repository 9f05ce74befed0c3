//! PO-2: what the reporter has to say of a new policy, and what it does for one.

use std::sync::Arc;
use std::time::Duration;

use reporter_svc::steward::RolloutSteward;
use service_kit::clock::Clock;
use service_kit::policy::Policy;
use service_kit::rules::{Rules, Steward as _};
use shared_types::{PhaseId, TargetName};

use crate::rig::{Rig, autosave, minutes, policy};

async fn objection(rig: &Rig, change: impl FnOnce(&mut Policy)) -> Option<String> {
    let mut next = policy();
    change(&mut next);
    let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
    let steward = RolloutSteward { store: Arc::clone(&rig.reporter.store), clock };
    steward.objection(&Rules::without_texts(Arc::new(next))).await.unwrap()
}

fn without_phase(policy: &mut Policy, id: &str) {
    let id = PhaseId::parse(id).unwrap();
    policy.targets.values_mut().for_each(|target| target.phases.retain(|phase| phase.id != id));
}

/// PO-2: neither the phase a rollout is in, nor the one it is on its way to, nor its target can be left out.
#[tokio::test]
async fn the_ground_of_a_rollout_does_not_vanish_below_it() {
    let rig = Rig::in_memory().await;
    assert_eq!(objection(&rig, |it| it.targets.clear()).await, None, "nothing has begun");
    rig.bring_to("B").await;
    assert_eq!(
        objection(&rig, |it| it.targets.clear()).await.as_deref(),
        Some("targets.autosave: it cannot leave the policy while it is in phase B")
    );
    assert_eq!(
        objection(&rig, |it| without_phase(it, "B")).await.as_deref(),
        Some("targets.autosave.phases: B cannot be left out while it is in phase B")
    );
    assert_eq!(objection(&rig, |it| without_phase(it, "A")).await, None);
    let violation = rig
        .decision(shared_types::Verdict::Violation, Some(shared_types::decision::ViolationAction::Rollback));
    rig.reporter.decide(&violation.await).await.unwrap();
    assert_eq!(
        objection(&rig, |it| without_phase(it, "A")).await.as_deref(),
        Some("targets.autosave.phases: A cannot be left out while a move from B to A is under way")
    );
    // Two phases down to `off`: an incident that is not closed still needs its target.
    rig.work().await;
    rig.violation().await;
    rig.pass(minutes(60)).await;
    let told = objection(&rig, |it| it.targets.clear()).await.unwrap();
    assert!(told.starts_with("targets.autosave: it cannot leave the policy while"), "{told}");
}

/// PO-2: targets that are new have a rollout at once.
#[tokio::test]
async fn targets_that_are_new_have_a_rollout() {
    let rig = Rig::in_memory().await;
    let mut next = policy();
    let search = TargetName::parse("search").unwrap();
    next.targets.insert(search.clone(), next.targets[&autosave()].clone());
    let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
    let steward = RolloutSteward { store: Arc::clone(&rig.reporter.store), clock };
    steward.prepare(&Arc::new(Rules::without_texts(Arc::new(next)))).await.unwrap();
    assert!(rig.reporter.store.target(&search).await.unwrap().unwrap().state.phase.is_off());
}

/// PO-2, CO-6: a window of another length is told to the collector, for the same phase and epoch.
#[tokio::test]
async fn the_collector_is_told_of_windows_of_another_length() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let before = rig.state().await.directive.unwrap();
    rig.reporter.policy_changed().await.unwrap();
    assert_eq!(rig.state().await.directive.as_ref(), Some(&before), "it is the policy's already");

    let mut next = policy();
    next.targets.values_mut().for_each(|target| target.collection.window = minutes(10));
    let changed = rig.with_policy(Arc::new(next)).await;
    changed.reporter.policy_changed().await.unwrap();
    changed.work().await;
    let after = changed.state().await.directive.unwrap();
    assert_eq!(Duration::from_millis(after.cadence_ms), minutes(10));
    assert_eq!(
        (after.sequence, after.epoch, &after.phase),
        (before.sequence + 1, before.epoch, &before.phase)
    );
    assert_eq!(changed.world.directives.lock().unwrap().last(), Some(&after));
}
