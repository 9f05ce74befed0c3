//! A store that is older than what its neighbours know (OP-3).

use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use shared_types::{Decision, PhaseId};

use super::world::{World, minutes, phase};
use crate::rollout::restored::BEYOND;
use crate::rollout::{Blocker, Effect, Event, NoticeKind, Reason};

fn ahead(world: &mut World, epoch: u64, sequence: u64) {
    world.apply(Event::NeighbourAhead { by: "analyzer".into(), epoch, sequence }).unwrap();
}

fn accept(world: &mut World) {
    world.apply(Event::StoreAccepted { by: "ana".into(), reason: "the newest copy is gone".into() }).unwrap();
}

/// What was told, and how often somebody was paged about it.
fn told(world: &World) -> (usize, usize) {
    let is_behind =
        |it: &NoticeKind| matches!(it, NoticeKind::StoreBehind { .. } | NoticeKind::RollbackLost { .. });
    let paged = |it: &&Effect| matches!(it, Effect::PageNotice(notice) if is_behind(&notice.kind));
    (world.notices(is_behind).len(), world.effects.iter().filter(paged).count())
}

fn required(world: &mut World, epoch: u64, in_phase: PhaseId) -> Decision {
    world.advance(minutes(15));
    let decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    Decision { epoch, phase: in_phase, ..decision }
}

/// OP-3: a decision of an epoch a little beyond ours is kept by its sender; one far beyond is nobody's honest mistake (OP-4).
#[test]
fn a_decision_from_beyond_waits_and_one_from_far_beyond_is_refused() {
    let mut world = World::in_phase("B");
    let epoch = world.target.epoch;
    for (beyond, reason) in [
        (1, Reason::Behind),
        (BEYOND, Reason::Behind),
        (BEYOND + 1, Reason::Implausible),
        (u64::MAX - epoch, Reason::Implausible),
    ] {
        let decision = required(&mut world, epoch + beyond, phase("B"));
        let refused = world.apply(Event::Decided(Box::new(decision))).unwrap_err();
        assert_eq!(refused.reason(), reason, "{beyond}");
    }
    assert!(world.runs().is_empty());
}

/// OP-3: people are called once, moving up is blocked, rolling back by hand is not.
#[test]
fn a_neighbour_that_is_ahead_calls_people_once_and_blocks_the_way_up() {
    let mut world = World::in_phase("B");
    let (epoch, sequence) = (world.target.epoch, world.target.directive.clone().unwrap().sequence);
    ahead(&mut world, epoch, sequence);
    assert_eq!((told(&world), world.target.behind.clone()), ((0, 0), None), "it knows what we know");
    world.ripen();
    ahead(&mut world, epoch + 2, 0);
    ahead(&mut world, epoch + 1, sequence + 7);
    assert_eq!(told(&world), (1, 1));
    let behind = world.target.behind.clone().unwrap();
    assert_eq!((behind.epoch, behind.sequence, behind.since), (epoch + 2, sequence + 7, world.now));
    let refused = world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap_err();
    let expected = Blocker::StoreBehind { told_by: "analyzer".into(), since: world.now };
    assert!(refused.blockers.contains(&expected), "{refused:?}");
    let by_hand = Event::Rollback { by: "ben".into(), from: phase("B"), reason: "to be safe".into() };
    world.apply(by_hand).unwrap();
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
}

/// OP-3: after an acceptance all numbers are above whatever was told, and a rollback that was required in the lost past is made.
#[test]
fn an_accepted_store_goes_on_above_all_that_was_told_and_loses_no_rollback() {
    let mut world = World::in_phase("B");
    let (epoch, sequence) = (world.target.epoch, world.target.directive.clone().unwrap().sequence);
    ahead(&mut world, epoch + 5, sequence + 9);
    accept(&mut world);
    let directive = world.target.directive.clone().unwrap();
    assert_eq!(world.target.phase, phase("B"), "the record's");
    assert!(world.target.epoch > epoch + 5 && directive.sequence > sequence + 9);
    assert_eq!((directive.epoch, world.target.behind.clone()), (world.target.epoch, None));
    let healthy = Decision { epoch: epoch + 1, ..world.decision(Verdict::Warn, None) };
    assert!(world.apply(Event::Decided(Box::new(healthy))).unwrap().stale);
    let decision = required(&mut world, epoch + 5, phase("B"));
    let step = world.apply(Event::Decided(Box::new(decision))).unwrap();
    assert!(!step.stale && step.opened);
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    // Nor is one lost of the stay on record, which went on after what the store knows.
    let mut same = World::in_phase("B");
    let stay = same.target.epoch;
    accept(&mut same);
    let decision = required(&mut same, stay, phase("B"));
    let step = same.apply(Event::Decided(Box::new(decision))).unwrap();
    assert!(!step.stale && step.opened);
    assert_eq!(same.runs(), [(phase("B"), phase("A"))]);
    // What the store had known itself is as stale as ever (PH-8).
    let mut known = World::in_phase("B");
    let old = known.target.epoch;
    accept(&mut known);
    let decision = required(&mut known, old - 1, phase("A"));
    assert!(known.apply(Event::Decided(Box::new(decision))).unwrap().stale);
    assert_eq!((known.runs(), told(&known)), (vec![], (0, 0)));
}

/// OP-3: required in another phase than the one on record, a person has to look, and is called once.
#[test]
fn a_rollback_required_in_a_phase_that_is_not_on_record_calls_a_person() {
    for on_record in ["off", "A"] {
        let mut world = if on_record == "off" { World::new() } else { World::in_phase(on_record) };
        let epoch = world.target.epoch;
        accept(&mut world);
        assert_eq!(told(&world), (0, 0));
        for beyond in 1..4 {
            let decision = required(&mut world, epoch + beyond, phase("B"));
            let step = world.apply(Event::Decided(Box::new(decision))).unwrap();
            assert!(step.stale && !step.opened);
        }
        assert_eq!((told(&world), world.runs()), ((1, 1), vec![]), "{on_record}");
    }
}

/// OP-3: an acceptance in the middle of a recovery watch or of a move leaves both as they are.
#[test]
fn an_acceptance_takes_nothing_from_what_is_under_way() {
    let mut world = World::in_phase("B");
    world.violation();
    world.start_command();
    accept(&mut world);
    world.succeed_command();
    assert_eq!(world.target.phase, phase("A"));
    accept(&mut world);
    for _ in 0..12 {
        world.judged(Verdict::Ok, None);
    }
    assert!(world.target.incident.is_none(), "the watch went on in the new epoch");
}

/// OP-3, ES-1: an id that is given out again after a restore names another page.
#[test]
fn the_page_of_an_incident_is_never_that_of_another_one() {
    let mut first = World::in_phase("B");
    first.violation();
    let mut again = World::in_phase("B");
    again.advance(minutes(15));
    again.violation();
    assert_eq!(first.incident().id, again.incident().id);
    assert_ne!(first.incident().dedup_key(), again.incident().dedup_key());
    let mut old = first.incident().clone();
    old.page_key = None;
    assert_eq!(old.dedup_key(), "phasegate/autosave/INC-20261122-001", "as releases before opened it");
}
