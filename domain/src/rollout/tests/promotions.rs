//! PH-1 to PH-7: moving up.

use std::time::Duration;

use crate::policy::TargetPolicy;
use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use shared_types::problem::ProblemCode;

use super::world::{World, gate, minutes, phase};
use crate::rollout::blocker::Reached;
use crate::rollout::{Blocker, Event, Reason, Rejection, Stage, promotion};
use crate::story::words;

fn promote(world: &mut World) -> Result<(), Rejection> {
    world.apply(Event::Promote { by: "ana".into(), from: None }).map(drop)
}

fn codes(rejection: &Rejection) -> Vec<&str> {
    rejection.blockers.iter().map(Blocker::code).collect()
}

/// PH-6: by the policy's command; phase and epoch move when it has succeeded.
#[test]
fn start_and_promotions_walk_up_to_completed() {
    let mut world = World::in_phase("C");
    assert_eq!(world.target.epoch, 3);
    world.ripen();
    promote(&mut world).unwrap();
    assert_eq!(world.running().request.words, "pnpm run flags:promote --phase completed");
    assert_eq!(world.target.phase, phase("C"));
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.epoch), (phase("completed"), 4));
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["completed"]);
}

/// PH-1, PH-6: each move up is told as the command that a person would type.
#[test]
fn a_move_up_is_written_as_a_person_would_type_it() {
    let mut world = World::new();
    world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap();
    assert_eq!(world.running().human, "phasegate start --target autosave");
    let mut world = World::in_phase("A");
    world.ripen();
    promote(&mut world).unwrap();
    assert_eq!(world.running().human, "phasegate promote --target autosave");
}

/// PH-2, PH-7
#[test]
fn an_unsatisfied_gate_blocks() {
    let mut world = World::in_phase("A");
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["gate_unsatisfied"]);
    world.judged(Verdict::Ok, None);
    let refusal = promote(&mut world).unwrap_err();
    assert_eq!(refusal.reason(), Reason::Blocked);
    assert_eq!(words::blocker(&refusal.blockers[0]), "3 of 8 compliant batches in a row");
}

/// PH-7: silence never ripens a phase.
#[test]
fn an_old_gate_blocks() {
    let mut world = World::in_phase("A");
    world.ripen();
    world.advance(minutes(21));
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["gate_stale"]);
}

/// PH-7: the newest window counts until its successor is judged or overdue, and not a millisecond longer.
#[test]
fn a_gate_is_fresh_until_the_next_window_is_overdue() {
    let mut world = World::in_phase("A");
    world.ripen();
    let collection = &world.policy.collection;
    world.now = world.now.plus(collection.window + collection.grace + collection.delayed_after);
    assert_eq!(promotion::blockers(&world.target, &world.terms()), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["gate_stale"]);
}

/// PH-5, PH-8: what the gate said of another epoch counts for nothing.
#[test]
fn the_gate_of_another_epoch_blocks() {
    for satisfied in [true, false] {
        let mut world = World::in_phase("B");
        world.ripen();
        world.target.latest.as_mut().unwrap().gate = Some(gate(world.target.epoch - 1, satisfied));
        let blockers = promotion::blockers(&world.target, &world.terms());
        let expected =
            Blocker::GateUnsatisfied { reached: Reached::NotReported, broken_by: None, broken_in: None };
        assert_eq!(blockers, [expected], "{satisfied}");
    }
}

/// PH-5: from a phase that the policy does not know nothing moves up; `off` is none of its phases, and no hindrance.
#[test]
fn an_unknown_phase_blocks() {
    for (at, expected) in [("Z", vec!["unknown_phase"]), ("off", vec![])] {
        let mut world = World::new();
        world.target.phase = phase(at);
        let blockers = promotion::blockers(&world.target, &world.terms());
        assert_eq!(blockers.iter().map(Blocker::code).collect::<Vec<_>>(), expected, "{at}");
    }
}

/// PH-5: everything that is missing is named at once.
#[test]
fn every_blocker_is_named() {
    let mut world = World::in_phase("B");
    world.policy = TargetPolicy {
        phases: world
            .policy
            .phases
            .iter()
            .cloned()
            .map(|mut it| {
                it.advance.approvals = vec!["sre".into(), "dev-lead".into()];
                it
            })
            .collect(),
        ..world.policy
    };
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    let refusal = promote(&mut world).unwrap_err();
    let expected =
        ["incident_open", "gate_unsatisfied", "alerts_in_phase", "approval_missing", "approval_missing"];
    assert_eq!(codes(&refusal), expected);
    assert_eq!(words::blocker(&refusal.blockers[3]), "sre");
    assert_eq!(words::blocker(&refusal.blockers[4]), "dev-lead");
}

/// PH-2: with the condition met, a missing approval alone is enough to be refused.
#[test]
fn a_missing_approval_blocks() {
    let mut world = World::in_phase("A");
    world.policy.phases[0].advance.approvals = vec!["sre".into()];
    world.ripen();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["approval_missing"]);
}

/// SLO-4 `hold` blocks as long as it is the newest verdict.
#[test]
fn hold_blocks_until_the_next_verdict() {
    let mut world = World::in_phase("A");
    world.advance(minutes(15));
    let mut held = world.decision(Verdict::Violation, Some(ViolationAction::Hold));
    held.gate = Some(gate(world.target.epoch, true));
    world.apply(Event::Decided(Box::new(held))).unwrap();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["hold"]);
    world.ripen();
    promote(&mut world).unwrap();
}

/// PH-3: an incident in the phase blocks it, even after it has recovered.
#[test]
fn an_alert_in_the_phase_blocks_the_move_from_b() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    world.judged(Verdict::Ok, None);
    world.judged(Verdict::Ok, None);
    world.ripen();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["alerts_in_phase"]);
}

/// PH-4: an incident notification blocks for the time of the condition, then no more.
#[test]
fn an_incident_notification_blocks_the_move_from_c_for_72_hours() {
    let mut world = World::in_phase("C");
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    world.judged(Verdict::Ok, None);
    world.judged(Verdict::Ok, None);
    world.advance(minutes(71 * 60));
    world.ripen();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["incident_notified"]);
    world.advance(minutes(60));
    world.ripen();
    promote(&mut world).unwrap();
}

/// PH-6: one at a time, and `from` must be where it is.
#[test]
fn a_second_promotion_is_refused_while_one_runs() {
    let mut world = World::in_phase("A");
    world.ripen();
    let wrong = Event::Promote { by: "ana".into(), from: Some(phase("B")) };
    assert_eq!(world.apply(wrong).unwrap_err().reason(), Reason::WrongPhase);
    promote(&mut world).unwrap();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["transition_running"]);
}

/// PH-6: a promotion that fails leaves the phase as it is and may be asked for again.
#[test]
fn a_failed_promotion_changes_nothing() {
    let mut world = World::in_phase("A");
    world.ripen();
    promote(&mut world).unwrap();
    world.fail_command();
    assert_eq!((world.target.phase.clone(), &world.target.stage), (phase("A"), &Stage::Idle));
    assert!(world.incidents.is_empty());
    promote(&mut world).unwrap();
    world.finish_command();
    assert_eq!(world.target.phase, phase("B"));
}

/// PL-2: what could not be taken back is not begun; a target that has started is told that it has.
#[test]
fn start_is_refused_where_a_move_cannot_be_made() {
    let obstacles = vec!["the program `pnpm` is not found".to_owned()];
    let start = Event::Start { by: "ana".into(), obstacles };
    let mut off = World::new();
    let refused = off.apply(start.clone()).unwrap_err();
    assert_eq!((refused.code(), codes(&refused)), (ProblemCode::Blocked, vec!["move_impossible"]));
    assert!(off.target.phase.is_off());
    assert_eq!(codes(&World::in_phase("A").apply(start).unwrap_err()), ["started"]);
}

/// PH-1: start goes from `off` to the first phase, and only from there.
#[test]
fn start_is_refused_once_started_and_allowed_again_after_off() {
    let mut world = World::in_phase("A");
    let start = Event::Start { by: "ana".into(), obstacles: Vec::new() };
    assert_eq!(codes(&world.apply(start.clone()).unwrap_err()), ["started"]);
    world.violation();
    world.finish_command();
    assert_eq!(codes(&promote(&mut world).unwrap_err()), ["not_started"]);
    world.apply(start).unwrap();
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.epoch), (phase("A"), 3));
}
