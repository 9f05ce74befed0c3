//! What the flag system serves between moves, and moves up that fail (RB-11, PH-10), on a real store.

use domain::executors::command::Commands;
use domain::policy::Policy;
use domain::rollout::{Event, Stage};
use domain::story::views;
use phasegate_tests::stores::both_engines;
use reporter_svc::drift::DriftWatch;
use reporter_svc::store::MIGRATIONS;
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use shared_types::Verdict;
use shared_types::rollout::Rollout;
use std::sync::Arc;

use crate::rig::{Rig, autosave, minutes, phase, policy};

/// Commands whose effect is read back.
pub(crate) fn read_back() -> Policy {
    let mut policy = policy();
    for target in policy.targets.values_mut() {
        let vector = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let commands = Commands {
            rollback: vector(&["flags", "{prev}"]),
            promote: vector(&["flags", "{next}"]),
            verify: Some(vector(&["flags"])),
        };
        target.transitions.executor = commands.into();
    }
    policy
}

fn watch(rig: &Rig) -> Arc<DriftWatch> {
    Arc::clone(&rig.effects.drift)
}

async fn rollout(rig: &Rig) -> Rollout {
    let rules = rig.reporter.rules();
    views::rollout(&rig.state().await, &rig.reporter.terms(&rules, &autosave()).unwrap())
}

fn serves(rig: &Rig, served: Option<&str>) {
    *rig.world.tampered.lock().unwrap() = served.map(str::to_owned);
}

/// RB-11: a flag set by hand is found within one window, told, paged, and in the way of moving up; and so is its end.
#[tokio::test]
async fn a_flag_set_by_hand_is_found_within_a_window() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::under(read_back(), db).await;
        rig.bring_to("A").await;
        let watch = watch(&rig);
        watch.tick().await.unwrap();
        serves(&rig, Some("50%"));
        rig.pass(minutes(15)).await;
        assert_eq!(watch.tick().await.unwrap(), 1);
        rig.work().await;
        let drift = rollout(&rig).await.drift.unwrap();
        assert_eq!((drift.served.as_str(), drift.upward), ("50%", true));
        let texts = rig.texts("#autosave-rollout");
        assert!(texts.iter().any(|text| text.contains("serves \"50%\", on record is A (5%)")), "{texts:?}");
        assert_eq!(rig.world.pages.lock().unwrap().len(), 1);
        let codes: Vec<String> = rollout(&rig).await.blockers.into_iter().map(|it| it.code).collect();
        assert!(codes.contains(&"drifted".to_owned()), "{codes:?}");
        // Looked at again: nothing new is told, and nothing written.
        let before = rig.reporter.store.target(&autosave()).await.unwrap().unwrap().version;
        rig.clock.advance(minutes(15));
        watch.tick().await.unwrap();
        assert_eq!(rig.reporter.store.target(&autosave()).await.unwrap().unwrap().version, before);
        serves(&rig, None);
        rig.pass(minutes(15)).await;
        watch.tick().await.unwrap();
        rig.work().await;
        assert_eq!(rollout(&rig).await.drift, None);
        assert_eq!(rig.state().await.incident, None);
        assert_eq!(rig.world.resolved.lock().unwrap().len(), 1);
    })
    .await;
}

/// PH-10, RB-11: a move up that failed half way is told at once, and what it left behind is found without waiting for the
/// window.
#[tokio::test]
async fn a_move_up_that_failed_half_way_is_told_and_found() {
    let rig = Rig::in_memory_under(read_back()).await;
    rig.bring_to("A").await;
    let watch = watch(&rig);
    watch.tick().await.unwrap();
    rig.clock.advance(minutes(15));
    let mut ripe = rig.decision(Verdict::Ok, None).await;
    ripe.gate.as_mut().unwrap().satisfied = true;
    rig.reporter.decide(&ripe).await.unwrap();
    watch.tick().await.unwrap();
    rig.world
        .executor
        .lock()
        .unwrap()
        .extend((0..5).map(|_| Outcome::Failed { reason: "exit status 1".into() }));
    serves(&rig, Some("20%"));
    rig.event(Event::Promote { by: "ana".into(), from: None }).await;
    rig.work().await;
    for wait in [30, 60, 120, 240] {
        rig.pass(std::time::Duration::from_secs(wait)).await;
    }
    assert!(matches!(rig.state().await.stage, Stage::Idle));
    assert_eq!(rig.phase().await, phase("A"));
    assert_eq!(watch.tick().await.unwrap(), 1, "at once");
    rig.work().await;
    let texts = rig.texts("#autosave-rollout");
    assert!(
        texts.iter().any(|text| text.contains("the move to B failed after 5 attempts: exit status 1")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("serves \"20%\", on record is A")), "{texts:?}");
    assert_eq!(rig.world.pages.lock().unwrap().len(), 1);
}

/// RB-11: a flag system that cannot be read for longer than proof may be missing is told once.
#[tokio::test]
async fn a_flag_system_that_is_away_is_told_once() {
    let rig = Rig::in_memory_under(read_back()).await;
    rig.bring_to("A").await;
    let watch = watch(&rig);
    watch.tick().await.unwrap();
    *rig.world.unreadable.lock().unwrap() = true;
    for _ in 0..6 {
        rig.clock.advance(minutes(15));
        watch.tick().await.unwrap();
    }
    rig.work().await;
    let unread =
        |texts: Vec<String>| texts.iter().filter(|it| it.contains("could not be read since")).count();
    assert_eq!(unread(rig.texts("#autosave-rollout")), 1);
    *rig.world.unreadable.lock().unwrap() = false;
    rig.clock.advance(minutes(15));
    watch.tick().await.unwrap();
    assert!(rig.state().await.served.is_as_recorded());
}

/// RB-10: a look is due once more when whatever was superseded is over.
#[tokio::test]
async fn a_target_is_looked_at_when_the_last_straggler_is_over() {
    let rig = Rig::in_memory_under(read_back()).await;
    let watch = watch(&rig);
    watch.tick().await.unwrap();
    rig.clock.advance(minutes(15));
    watch.tick().await.unwrap();
    let at = rig.clock.now();
    rig.bring_to("A").await;
    assert_eq!(rig.clock.now(), at);
    let timeout = rig.reporter.rules().policy.targets[&autosave()].transitions.timeout;
    let straggler = timeout * 7 / 2 + std::time::Duration::from_secs(15);
    rig.clock.advance(straggler - std::time::Duration::from_millis(1));
    assert_eq!(watch.tick().await.unwrap(), 0);
    rig.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(watch.tick().await.unwrap(), 1);
}
