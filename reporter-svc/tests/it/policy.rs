//! PO-2: what the reporter has to say of a new policy, and what it does for one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::policy::Policy;
use phasegate_tests::stores::both_engines;
use reporter_svc::store::MIGRATIONS;
use reporter_svc::subscriber::RolloutSubscriber;
use service_kit::ServiceName;
use service_kit::clock::Clock;
use service_kit::rules::{PolicySubscriber as _, PolicyVersions, PolicyWatcher, Rules, RulesFiles};
use shared_types::audit::SERVICE_STREAM;
use shared_types::{PhaseId, TargetName};

use crate::rig::{Rig, autosave, minutes, policy};

fn subscriber(rig: &Rig, versions: PolicyVersions) -> RolloutSubscriber {
    let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
    RolloutSubscriber { store: rig.reporter.store.clone(), versions, clock }
}

async fn objection(rig: &Rig, change: impl FnOnce(&mut Policy)) -> Option<String> {
    let mut next = policy();
    change(&mut next);
    let subscriber = subscriber(rig, rig.reporter.versions.clone());
    subscriber.objection(&Rules::without_texts(Arc::new(next))).await.unwrap()
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
    let subscriber = subscriber(&rig, rig.reporter.versions.clone());
    subscriber.prepare(&Arc::new(Rules::without_texts(Arc::new(next)))).await.unwrap();
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

/// A replica that starts now, over the policy's file; its look at what has changed since.
async fn replica(rig: &Rig, file: &Path) -> PolicyWatcher {
    let clock: Arc<dyn Clock> = Arc::clone(&rig.clock) as _;
    let files = RulesFiles::policy(file);
    let policy = Arc::new(Policy::load(file).unwrap());
    let versions = PolicyVersions::open(&rig.db, &files, &policy, clock.as_ref()).await.unwrap();
    let subscriber = Arc::new(subscriber(rig, versions.clone()));
    let mut watcher = PolicyWatcher::new(ServiceName::Reporter, versions, files, &rig.db, &clock, subscriber);
    watcher.begin(&policy).await.unwrap();
    watcher
}

/// PO-2, GO-4: each version taken over is one row, from which hash to which, whatever replicas and restarts there are; one
/// that comes back is another row.
#[tokio::test]
async fn a_version_taken_over_is_one_row_of_the_audit_log() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let shipped =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml"));
        let shipped = shipped.unwrap();
        let stricter = shipped.replace("warn_ratio: 80%", "warn_ratio: 70%");
        std::fs::write(&file, &shipped).unwrap();
        let mut replicas = [replica(&rig, &file).await, replica(&rig, &file).await];
        for text in [&stricter, &shipped] {
            std::fs::write(&file, text).unwrap();
            rig.clock.advance(minutes(1));
            for _ in 0..3 {
                for replica in &mut replicas {
                    replica.turn().await.unwrap();
                }
            }
            replica(&rig, &file).await;
        }
        let (old, new) = (Policy::version_of(shipped.as_bytes()), Policy::version_of(stricter.as_bytes()));
        let rows = rig.reporter.store.audit_piece(SERVICE_STREAM, 1, 100).await.unwrap();
        let told: Vec<_> =
            rows.iter().map(|row| (row.action.as_str(), row.detail["version"].clone())).collect();
        let adopted = |from: Option<&String>, to: &String| ("policy.adopted", serde_json::json!([from, to]));
        assert_eq!(told, [adopted(None, &old), adopted(Some(&old), &new), adopted(Some(&new), &old)]);
        assert_eq!(rows[1].subject, Some(new));
        assert_eq!((rows[1].actor.name.as_str(), rows[1].detail["number"].as_i64()), ("phasegate", Some(2)));
    })
    .await;
}
