//! What is served besides what is on record (RB-11), and moves up that fail (PH-10).

use shared_types::Verdict;
use shared_types::incident::IncidentState;

use super::world::{World, minutes, phase};
use crate::policy::OnDrift;
use crate::rollout::event::Looked;
use crate::rollout::{Blocker, Event, NoticeKind, Step, drift, promotion};

fn read(world: &mut World, looked: Looked) -> Step {
    world.apply(Event::ServedRead { epoch: world.target.epoch, looked }).unwrap()
}

fn serves(world: &mut World, served: &str) -> Step {
    read(world, Looked::Other { served: served.to_owned() })
}

fn told(world: &World) -> Vec<&'static str> {
    let is_served = |it: &NoticeKind| {
        matches!(
            it,
            NoticeKind::Drifted { .. }
                | NoticeKind::DriftOver { .. }
                | NoticeKind::ServedUnread { .. }
                | NoticeKind::MoveFailed { .. }
        )
    };
    world.notices(is_served).iter().map(|it| it.kind.name().into()).collect()
}

/// RB-11: more users than on record page at once, and nothing moves up until it is as recorded again; then it is over, whatever
/// the windows between have said.
#[test]
fn more_users_than_on_record_page_and_block() {
    let mut world = World::in_phase("A");
    world.ripen();
    serves(&mut world, "50%");
    assert_eq!((told(&world), world.pages()), (vec!["drifted"], vec!["P2"]));
    let since = world.now;
    let drifted = Blocker::Drifted { phase: phase("A"), served: "50%".to_owned(), since };
    let refused = world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap_err();
    assert!(refused.blockers.contains(&drifted), "{refused:?}");
    world.advance(minutes(15));
    serves(&mut world, "50%");
    assert_eq!(told(&world), ["drifted"], "told once");
    for _ in 0..8 {
        world.advance(minutes(15));
        world.judged(Verdict::Ok, None);
    }
    assert_eq!(world.incident().state(), IncidentState::Open, "healthy windows do not make it right");
    assert!(world.incident().notice, "nobody has to explain the feature");
    read(&mut world, Looked::AsRecorded);
    assert_eq!(told(&world), ["drifted", "drift_over"]);
    assert_eq!(world.incident().state(), IncidentState::Closed);
    world.ripen();
    assert_eq!(promotion::blockers(&world.target, &world.terms()), []);
}

/// RB-11: fewer users than on record are told and block; nobody is woken.
#[test]
fn fewer_users_are_told_and_page_nobody() {
    let mut world = World::in_phase("B");
    serves(&mut world, "A");
    assert_eq!((told(&world), world.pages()), (vec!["drifted"], vec![]));
    assert_eq!(world.target.incident, None);
}

/// RB-11: what is read while a command runs, or of another stay, is no drift.
#[test]
fn what_moves_does_not_drift() {
    let mut world = World::in_phase("B");
    let epoch = world.target.epoch;
    world.violation();
    world.start_command();
    serves(&mut world, "A");
    world.succeed_command();
    let looked = Looked::Other { served: "B".to_owned() };
    world.apply(Event::ServedRead { epoch, looked }).unwrap();
    assert_eq!((world.target.served.drift.clone(), told(&world)), (None, vec![]));
}

/// RB-11 `correct`: the phase on record is set again, once; nothing of the budget is spent.
#[test]
fn a_drift_is_corrected_where_the_policy_says_so() {
    let mut world = World::in_phase("A");
    world.policy.transitions.on_drift = OnDrift::Correct;
    serves(&mut world, "B");
    assert_eq!(world.target.stage.name(), "rolling_back");
    assert_eq!((world.running().from.clone(), world.running().to.clone()), (phase("A"), phase("A")));
    let epoch = world.target.epoch;
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.epoch), (phase("A"), epoch + 1));
    assert!(world.target.served.is_as_recorded());
    assert_eq!((world.target.automatic_rollbacks.len(), world.runs().len()), (0, 1));
    assert!(world.incident().status.watch().is_some());
    // A freeze stops every move.
    world.freeze();
    serves(&mut world, "B");
    assert_eq!(world.target.stage.name(), "idle");
}

/// RB-11: a flag system that cannot be read is told once.
#[test]
fn a_flag_system_that_cannot_be_read_is_told_once() {
    let mut world = World::in_phase("A");
    let unread = |world: &World| Looked::Unread { since: world.now, reason: "no answer".into() };
    for _ in 0..3 {
        let looked = unread(&world);
        read(&mut world, looked);
        world.advance(minutes(15));
    }
    assert_eq!(told(&world), ["served_unread"]);
    read(&mut world, Looked::AsRecorded);
    assert!(world.target.served.is_as_recorded());
}

/// RB-11: phases and shares are understood; whatever else stands there might be more users.
#[test]
fn a_share_is_read_from_what_is_served() {
    let policy = World::new().policy;
    for (served, share) in [
        ("B", Some(30.0)),
        ("off", Some(0.0)),
        ("completed", Some(100.0)),
        ("50%", Some(50.0)),
        ("on to 12.5% of users", Some(12.5)),
        ("7", Some(7.0)),
        ("250%", None),
        ("Z", None),
        ("", None),
    ] {
        assert_eq!(drift::share_of(&policy, served), share, "{served}");
    }
}

/// PH-10: a move up that is given up is told, named with its output's end, and may be asked for again.
#[test]
fn a_move_up_that_failed_speaks_and_may_be_tried_again() {
    let mut world = World::in_phase("A");
    world.ripen();
    let promote = || Event::Promote { by: "ana".into(), from: None };
    world.apply(promote()).unwrap();
    world.start_command();
    let reason = "exit status 1\nswitched\nthe lock is held".to_owned();
    world.apply(Event::TransitionFailed { transition: world.running().id, reason }).unwrap();
    assert_eq!(told(&world), ["move_failed"]);
    let output = "exit status 1 / switched / the lock is held".to_owned();
    let failed = Blocker::MoveFailed { to: phase("B"), attempts: 1, output };
    assert_eq!(promotion::blockers(&world.target, &world.terms()), [failed]);
    world.apply(promote()).unwrap();
    world.finish_command();
    assert_eq!(world.target.phase, phase("B"));
    assert!(!promotion::blockers(&world.target, &world.terms()).iter().any(|it| it.code() == "move_failed"));
}
