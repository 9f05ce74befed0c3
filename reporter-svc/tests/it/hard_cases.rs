//! What goes wrong, and must end well all the same.

use std::time::Duration;

use domain::effects::{PageAcknowledgement, RunTransition};
use domain::rollout::{Event, Stage};
use domain::stored::Document as _;
use phasegate_tests::stores::both_engines;
use reporter_svc::reporter::Cause;
use reporter_svc::store::{Changed, MIGRATIONS};
use service_kit::clock::Clock;
use service_kit::outbox::{self, Handler, ListFilter, Outcome, Recorded};
use shared_types::decision::ViolationAction;
use shared_types::{Timestamp, Verdict};

use crate::rig::{Rig, autosave, minutes, phase};

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.to_owned() }
}

/// RB-4, ES-1: five attempts at 0, 30, 60, 120, 240 s, then P1 and `failed`; a person's retry ends it.
#[tokio::test]
async fn a_command_that_fails_five_times_goes_to_p1_and_waits_for_a_person() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        rig.world.executor.lock().unwrap().extend((0..5).map(|_| failed("exit status 1\nboom")));
        rig.violation().await;
        for (attempts, wait) in [(1, 30), (2, 60), (3, 120), (4, 240)] {
            assert_eq!(rig.commands().len(), attempts);
            rig.pass(Duration::from_millis(wait * 1000 - 1)).await;
            assert_eq!(rig.commands().len(), attempts, "not before {wait} s");
            rig.pass(Duration::from_millis(1)).await;
        }
        assert_eq!(rig.commands().len(), 5);
        assert!(matches!(rig.state().await.stage, Stage::RollbackFailed(_)));
        let incident = rig.incident().await;
        assert_eq!(incident.priority, "P1");
        let priorities: Vec<String> =
            rig.world.pages.lock().unwrap().iter().map(|it| it.priority.clone()).collect();
        assert_eq!(priorities, ["P2", "P1"]);
        let keys: Vec<String> =
            rig.world.pages.lock().unwrap().iter().map(|it| it.dedup_key.clone()).collect();
        assert_eq!(keys[0], keys[1], "ES-1: the same incident, the same dedup key");
        let texts = rig.texts("#incident");
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains("failed after 5 attempts: exit status 1"), "{texts:?}");

        let effect = transition_effect(&rig, "dead").await;
        let transition = rig.state().await.stage.transition().unwrap().id;
        let retry = Event::TransitionRetried { transition, by: "ana".into() };
        let cause = Cause { retry: Some(&effect), ..Cause::default() };
        let changed = rig.reporter.apply(&autosave(), cause, &|_| retry.clone()).await.unwrap();
        assert!(matches!(changed, Changed::Applied { .. }), "{changed:?}");
        rig.work().await;
        assert_eq!(rig.phase().await, phase("A"));
        rig.assert_nothing_is_left().await;
    })
    .await;
}

async fn transition_effect(rig: &Rig, state: &str) -> String {
    let kind = Some(RunTransition::KIND.to_owned());
    let filter = ListFilter { state: Some(state.to_owned()), kind, ..ListFilter::default() };
    let found = rig.reporter.store.effects(&filter, None, 10).await.unwrap().items;
    found.first().expect("such a transition").id.clone()
}

async fn claim_transition(rig: &Rig) -> outbox::Claim {
    let lease = |kind: &str| rig.effects.lease(kind);
    let claims = outbox::claim(&rig.db, "crasher", "command", 1, &lease, rig.clock.now()).await.unwrap();
    claims.into_iter().next().expect("a transition to claim")
}

/// RB-3, RB-10, DE-5: the process dies after the command and before the result is recorded; it is run again after
/// the lease, with a higher number, and counts once. The dead process's late result is fenced off.
#[tokio::test]
async fn a_crash_after_the_command_runs_it_again_and_counts_it_once() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("B").await;
        rig.clock.advance(minutes(15));
        let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        rig.reporter.decide(&decision).await.unwrap();
        let lost = claim_transition(&rig).await;
        let late = rig.effects.handle(&lost).await;
        assert_eq!(rig.commands().len(), 1);
        assert_eq!(rig.phase().await, phase("B"), "the result was not recorded");

        let rig = rig.restarted().await;
        rig.work().await;
        assert_eq!(rig.commands().len(), 1, "the lease is held by the dead process");
        rig.pass(rig.effects.lease(RunTransition::KIND)).await;
        assert_eq!(rig.commands().len(), 2);
        let epoch = rig.state().await.epoch;
        assert_eq!(rig.phase().await, phase("A"));

        let now = rig.clock.now();
        let recorded = rig.effects.settle(&rig.db, &lost, &late, now).await.unwrap();
        assert_eq!(recorded, Recorded::Fenced);
        assert_eq!(rig.state().await.epoch, epoch);
        let starts = rig.incident().await.timeline.iter().filter(|it| it.kind == "command_started").count();
        assert_eq!(starts, 2, "the log shows both starts");
        let fences = rig.world.fences.lock().unwrap().clone();
        assert!(fences.len() > 3 && fences.is_sorted_by(|one, next| one < next), "{fences:?}");
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// RB-3: the process dies between the intention and the command.
#[tokio::test]
async fn a_crash_before_the_command_starts_it_once() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.clock.advance(minutes(15));
    let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    rig.reporter.decide(&decision).await.unwrap();
    let _lost = claim_transition(&rig).await;
    let rig = rig.restarted().await;
    rig.pass(rig.effects.lease(RunTransition::KIND)).await;
    assert_eq!(rig.commands(), [(phase("B"), phase("A"))]);
    assert_eq!(rig.phase().await, phase("A"));
}

/// DE-5: the same decision again, also from two replicas at the same moment, is known.
#[tokio::test]
async fn a_repeated_decision_is_known_by_every_replica() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let replica = rig.restarted().await;
        rig.bring_to("B").await;
        rig.clock.advance(minutes(15));
        let decision = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        let (one, other) = tokio::join!(rig.reporter.decide(&decision), replica.reporter.decide(&decision));
        let (one, other) = (one.unwrap(), other.unwrap());
        let applied = [&one, &other].iter().filter(|it| matches!(it, Changed::Applied { .. })).count();
        assert_eq!(applied, 1, "{one:?} {other:?}");
        let again = rig.reporter.decide(&decision).await.unwrap();
        let (Changed::Repeated { answer }, Changed::Applied { answer: first, .. }) =
            (again, if matches!(one, Changed::Applied { .. }) { one } else { other })
        else {
            panic!("a repeat is answered as the first time");
        };
        assert_eq!(answer, first);
        tokio::join!(rig.work(), replica.work());
        rig.work().await;
        assert_eq!(rig.commands().len(), 1);
        assert_eq!(rig.texts("#incident-autosave").len(), 1);
        assert_eq!(rig.incidents().await, 1);
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// DE-4: violations that arrive together at two replicas open one incident and run one command.
#[tokio::test]
async fn two_violations_at_once_open_one_incident() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let replica = rig.restarted().await;
        rig.bring_to("B").await;
        rig.clock.advance(minutes(15));
        let one = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        let other = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        let (a, b) = tokio::join!(rig.reporter.decide(&one), replica.reporter.decide(&other));
        a.unwrap();
        b.unwrap();
        rig.work().await;
        assert_eq!((rig.incidents().await, rig.commands().len()), (1, 1));
        assert_eq!(rig.incident().await.decisions.len(), 2);
    })
    .await;
}

/// PH-8: kept, marked, without effect.
#[tokio::test]
async fn a_decision_of_an_old_epoch_is_kept_as_stale() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    let mut old = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    old.epoch -= 1;
    rig.reporter.decide(&old).await.unwrap();
    rig.work().await;
    let stale = rig.reporter.store.decision(old.decision_id).await.unwrap().unwrap().stale;
    assert!(stale);
    assert_eq!((rig.incidents().await, rig.commands().len()), (0, 0));
}

/// ES-3: exactly once, also with two replicas ticking; to `#incident`, at P1.
#[tokio::test]
async fn an_escalation_happens_once_with_two_replicas() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        let replica = rig.restarted().await;
        rig.bring_to("A").await;
        rig.violation().await;
        rig.clock.advance(minutes(30));
        let now = rig.clock.now();
        let (a, b) = tokio::join!(rig.reporter.tick(now), replica.reporter.tick(now));
        a.unwrap();
        b.unwrap();
        rig.work().await;
        let texts = rig.texts("#incident");
        assert_eq!(texts.len(), 1);
        assert_eq!(texts, rig.texts("#incident-autosave"), "the incident text again");
        assert_eq!(rig.world.pages.lock().unwrap().len(), 2);
        rig.assert_nothing_is_left().await;
    })
    .await;
}

/// ES-3: an acknowledgement whose webhook was lost is asked for before the escalation.
#[tokio::test]
async fn a_polled_acknowledgement_stops_the_escalation() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.violation().await;
    let at = rig.clock.now().plus(minutes(3));
    *rig.world.acknowledgement.lock().unwrap() = Some(PageAcknowledgement { at, by: "on-call".into() });
    rig.pass(minutes(29) + Duration::from_secs(30)).await;
    let incident = rig.incident().await;
    assert_eq!(incident.acknowledged_at, Some(at));
    assert_eq!(incident.acknowledged_by.as_deref(), Some("on-call"));
    rig.pass(minutes(5)).await;
    assert_eq!(rig.incident().await.escalated_at, None);
}

/// PH-6, RB-1: a violation while a promotion's command runs: the promotion does not win.
#[tokio::test]
async fn a_promotion_under_way_does_not_win_over_a_violation() {
    both_engines("reporter", MIGRATIONS, |db| async move {
        let rig = Rig::new(db).await;
        rig.bring_to("A").await;
        let claim = start_promotion(&rig).await;
        let outcome = rig.effects.handle(&claim).await;
        let violation = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
        rig.reporter.decide(&violation).await.unwrap();
        rig.work().await;
        assert_eq!(rig.commands(), [(phase("A"), phase("B"))], "two commands never run side by side");
        rig.effects.settle(&rig.db, &claim, &outcome, rig.clock.now()).await.unwrap();
        rig.work().await;
        assert_eq!(rig.commands(), [(phase("A"), phase("B")), (phase("A"), phase("off"))]);
        assert_eq!(rig.phase().await, phase("off"));
        rig.assert_nothing_is_left().await;
    })
    .await;
}

async fn start_promotion(rig: &Rig) -> outbox::Claim {
    rig.clock.advance(minutes(15));
    let mut ripe = rig.decision(Verdict::Ok, None).await;
    ripe.gate.as_mut().unwrap().satisfied = true;
    rig.reporter.decide(&ripe).await.unwrap();
    let promoted = rig.event(Event::Promote { by: "ana".into(), from: None }).await;
    assert!(matches!(promoted, Changed::Applied { .. }), "{promoted:?}");
    claim_transition(rig).await
}

/// RB-3: the process that ran the superseded promotion died; it is not started again, the rollback follows.
#[tokio::test]
async fn a_superseded_promotion_whose_process_died_is_skipped() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    let claim = start_promotion(&rig).await;
    rig.effects.handle(&claim).await;
    let violation = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    rig.reporter.decide(&violation).await.unwrap();
    let rig = rig.restarted().await;
    rig.pass(rig.effects.lease(RunTransition::KIND)).await;
    assert_eq!(rig.commands(), [(phase("A"), phase("B")), (phase("A"), phase("off"))]);
    assert_eq!(rig.phase().await, phase("off"));
}

/// A promotion that waits for its next attempt is taken back, and the rollback does not wait for it.
#[tokio::test]
async fn a_promotion_between_attempts_is_cancelled_at_once() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    rig.world.executor.lock().unwrap().push_back(failed("not yet"));
    let claim = start_promotion(&rig).await;
    let outcome = rig.effects.handle(&claim).await;
    rig.effects.settle(&rig.db, &claim, &outcome, rig.clock.now()).await.unwrap();
    let violation = rig.decision(Verdict::Violation, Some(ViolationAction::Rollback)).await;
    rig.reporter.decide(&violation).await.unwrap();
    rig.work().await;
    assert_eq!(rig.phase().await, phase("off"));
    rig.pass(minutes(10)).await;
    assert_eq!(rig.commands().len(), 2, "the promotion is not tried again");
    rig.assert_nothing_is_left().await;
}

/// RB-6: unrecovered, so one phase further down, as a rollback of the same incident.
#[tokio::test]
async fn an_unrecovered_watch_goes_one_phase_further_down() {
    let rig = Rig::in_memory().await;
    rig.bring_to("C").await;
    rig.violation().await;
    rig.violation().await;
    assert_eq!(rig.commands().len(), 1);
    for _ in 0..5 {
        rig.judged(Verdict::Ok, None).await;
    }
    assert_eq!(rig.commands(), [(phase("C"), phase("B")), (phase("B"), phase("A"))]);
    assert_eq!(rig.incidents().await, 1);
    let texts = rig.texts("#incident-autosave");
    assert_eq!(texts.len(), 2);
    assert!(texts[0].contains("AutoSave C violation") && texts[1].contains("AutoSave B violation"));
    let threads: Vec<_> = rig.world.messages.lock().unwrap().iter().filter_map(|it| it.1.clone()).collect();
    assert_eq!(threads.len(), 1, "NO-3: the later message joins the thread");
}

/// NO-4, NO-5: a message whose outcome is unknown is sent again, and marked.
#[tokio::test]
async fn an_unknown_send_is_repeated_and_marked() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    rig.world.slack.lock().unwrap().push_back(Outcome::Unknown { reason: "no answer".into() });
    rig.judged(Verdict::Warn, None).await;
    rig.pass(minutes(1)).await;
    let resent: Vec<bool> = rig.world.messages.lock().unwrap().iter().map(|it| it.2).collect();
    assert_eq!(resent, [false, true]);
    let kept = rig.reporter.store.notifications(&Default::default(), None, 10).await.unwrap();
    let warn = kept.iter().find(|it| it.kind == "warn").unwrap();
    assert_eq!((warn.attempts, warn.unknowns, warn.state.as_str()), (2, 1, "sent"));
}

/// NO-6: logged, and kept as such.
#[tokio::test]
async fn an_effect_without_a_receiver_is_kept_as_logged() {
    let rig = Rig::in_memory().await;
    rig.bring_to("A").await;
    let logged = Outcome::Done(serde_json::json!({ "logged": true }));
    rig.world.slack.lock().unwrap().push_back(logged);
    rig.judged(Verdict::Warn, None).await;
    let kept = rig.reporter.store.notifications(&Default::default(), None, 1).await.unwrap();
    assert_eq!(kept[0].state.as_str(), "logged");
}

/// One failing receiver never holds up another: Slack down, the rollback runs all the same.
#[tokio::test]
async fn a_failing_messenger_holds_nothing_up() {
    let rig = Rig::in_memory().await;
    rig.bring_to("B").await;
    rig.world.slack.lock().unwrap().extend((0..3).map(|_| failed("503")));
    rig.violation().await;
    assert_eq!(rig.phase().await, phase("A"));
    assert_eq!(rig.world.pages.lock().unwrap().len(), 1);
    for _ in 0..3 {
        rig.pass(Duration::from_secs(10)).await;
    }
    rig.assert_nothing_is_left().await;
}

/// Numbers start anew each day, and go on within it.
#[tokio::test]
async fn incidents_are_numbered_by_day() {
    let rig = Rig::in_memory().await;
    for expected in ["INC-20261122-001", "INC-20261122-002"] {
        rig.bring_to("A").await;
        rig.violation().await;
        assert_eq!(rig.incident().await.id.as_str(), expected);
    }
    rig.clock.set(Timestamp::parse("2026-11-23T00:00:00Z").unwrap());
    rig.work().await;
    rig.bring_to("A").await;
    rig.violation().await;
    assert_eq!(rig.incident().await.id.as_str(), "INC-20261123-001");
}
