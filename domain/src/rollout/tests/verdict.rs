//! What others are told who ask whether a rollout is well (PH-7, PH-9, DE-1).

use shared_types::Verdict;
use shared_types::decision::{GateProgress, Stale, StayOver, ViolationAction};

use super::world::{World, gate, minutes, phase};
use crate::rollout::event::Looked;
use crate::rollout::verdict::known;
use crate::rollout::{Event, Stage};
use crate::story::views;

/// The verdict and whether it is to be taken back; else the code of why it is not known.
fn told(world: &World) -> Result<(Verdict, bool), &'static str> {
    match known(&world.target, &world.terms(), None) {
        Ok(it) => Ok((it.verdict, it.roll_back)),
        Err(why) => Err(why.code()),
    }
}

/// PH-7: what is not judged is not known, and nothing that is not known is well.
#[test]
fn what_nothing_was_judged_of_is_not_known() {
    let mut world = World::new();
    assert_eq!(told(&world), Err("not_started"));
    world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap();
    assert_eq!(told(&world), Err("not_started"));
    world.finish_command();
    assert_eq!(told(&world), Err("gate_unsatisfied"));
    world.judged(Verdict::Ok, None);
    assert_eq!(told(&world), Ok((Verdict::Ok, false)));
    let mut world = World::in_phase("C");
    world.ripen();
    world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    assert_eq!(told(&world), Ok((Verdict::Ok, false)), "a move up is no reason for doubt");
    world.finish_command();
    assert_eq!(told(&world), Err("completed"));
}

/// PH-7: the verdict of the newest window is the target's.
#[test]
fn a_window_that_is_not_compliant_says_so() {
    for (verdict, action) in [
        (Verdict::Ok, None),
        (Verdict::Warn, None),
        (Verdict::Unsure, None),
        (Verdict::Insufficient, None),
        (Verdict::Violation, Some(ViolationAction::Hold)),
        (Verdict::Violation, Some(ViolationAction::Page)),
    ] {
        let mut world = World::in_phase("B");
        world.judged(verdict, action);
        assert_eq!(told(&world), Ok((verdict, false)), "{action:?}");
    }
}

/// A verdict is of its time: by the age of its window, or because the next one is overdue.
#[test]
fn an_old_verdict_is_not_known_any_more() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let overdue = world.now.minus(minutes(1));
    let why = known(&world.target, &world.terms(), Some(overdue)).unwrap_err();
    assert_eq!(why.code(), "gate_stale");
    world.advance(minutes(60));
    assert_eq!(told(&world), Err("gate_stale"));
}

/// PH-9: a compliant window does not stand for those that were missing before it for longer than is tolerated.
#[test]
fn proof_that_is_missing_too_long_is_insufficient() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let (since, epoch) = (world.now, world.target.epoch);
    let stale = Some(Stale { windows: 4, since });
    world.target.latest.as_mut().unwrap().gate = Some(GateProgress { stale, ..gate(epoch, false) });
    assert_eq!(told(&world), Ok((Verdict::Insufficient, false)));
}

/// JU-6
#[test]
fn a_whole_stay_over_its_limit_is_not_well() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let epoch = world.target.epoch;
    let over =
        StayOver { metric: "error_rate".to_owned(), bad: 30, attempts: 1000, allowed: 0.01, luck: None };
    let gate = GateProgress { stay_over: vec![over], ..gate(epoch, false) };
    world.target.latest.as_mut().unwrap().gate = Some(gate);
    assert_eq!(told(&world), Ok((Verdict::Unsure, false)));
}

/// RB-1: from the violation until whoever looks once in a window has seen it, whatever becomes of the rollback.
#[test]
fn a_rollback_is_told_until_everybody_has_seen_it() {
    let mut world = World::in_phase("B");
    world.violation();
    assert!(matches!(world.target.stage, Stage::RollingBack(_)));
    assert_eq!(told(&world), Ok((Verdict::Violation, true)));
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(told(&world), Ok((Verdict::Violation, true)), "no decision of this stay is there");
    assert!(known(&world.target, &world.terms(), None).unwrap().decision.is_none());
    world.judged(Verdict::Ok, None);
    assert_eq!(told(&world), Ok((Verdict::Violation, true)));
    for _ in 0..4 {
        world.judged(Verdict::Ok, None);
    }
    assert_eq!(told(&world), Ok((Verdict::Unsure, false)), "the incident is open");
    world.judged(Verdict::Ok, None);
    assert_eq!(world.target.incident, None);
    assert_eq!(told(&world), Ok((Verdict::Ok, false)));
}

/// RB-1: to `off` the incident ends with the rollback, and the rollback is told all the same.
#[test]
fn a_rollback_to_off_is_told_and_then_nothing_is_known() {
    let mut world = World::in_phase("A");
    world.violation();
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.incident.clone()), (phase("off"), None));
    assert_eq!(told(&world), Ok((Verdict::Violation, true)));
    world.advance(minutes(60));
    assert_eq!(told(&world), Err("not_started"));
}

/// PH-11: a rollback that waits is a violation however long ago the window was, and others do not make it in its place.
#[test]
fn a_rollback_that_waits_is_made_by_nobody_else() {
    let mut world = World::in_phase("B");
    world.freeze();
    world.violation();
    assert!(world.target.waiting().is_some());
    world.advance(minutes(600));
    assert_eq!(told(&world), Ok((Verdict::Violation, false)));
    world.unfreeze();
    assert_eq!(told(&world), Ok((Verdict::Violation, true)));
}

/// RB-7: what a person takes back is not well either.
#[test]
fn a_rollback_by_hand_is_told() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let by_hand = Event::Rollback { by: "ana".into(), from: phase("B"), reason: "customers complain".into() };
    world.apply(by_hand).unwrap();
    assert_eq!(told(&world), Ok((Verdict::Violation, true)));
}

/// A person has stopped it: whoever moves it beside Phasegate stops too.
#[test]
fn a_frozen_target_is_never_ok() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    world.freeze();
    assert_eq!(told(&world), Ok((Verdict::Unsure, false)));
    world.unfreeze();
    assert_eq!(told(&world), Ok((Verdict::Ok, false)));
}

/// DE-1: an open incident outweighs the windows after it.
#[test]
fn an_open_incident_is_never_ok() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    world.judged(Verdict::Ok, None);
    assert!(world.target.incident.is_some());
    assert_eq!(told(&world), Ok((Verdict::Unsure, false)));
}

/// RB-11: what is served is not what was judged.
#[test]
fn a_drifted_target_is_never_ok() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let epoch = world.target.epoch;
    world.apply(Event::ServedRead { epoch, looked: Looked::Other { served: "A".to_owned() } }).unwrap();
    assert_eq!(told(&world), Ok((Verdict::Unsure, false)));
}

/// OP-3: a store that is behind knows nothing, not even of a rollback.
#[test]
fn a_store_that_is_behind_knows_nothing() {
    let mut world = World::in_phase("B");
    world.violation();
    let epoch = world.target.epoch + 2;
    world.apply(Event::NeighbourAhead { by: "collector".to_owned(), epoch, sequence: 90 }).unwrap();
    assert_eq!(told(&world), Err("store_behind"));
}

/// PH-5: all that is in the way of a move up is told beside the verdict, and says nothing against it.
#[test]
fn what_is_in_the_way_is_told_beside_it() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    let shown = views::verdict(&world.target, &world.terms()).unwrap();
    let codes: Vec<&str> = shown.blockers.iter().map(|it| it.code.as_str()).collect();
    assert_eq!((shown.verdict, shown.ok, codes), (Verdict::Ok, true, vec!["gate_unsatisfied"]));
    assert_eq!(shown.decision_id, world.target.latest.as_ref().map(|it| it.decision));
}
