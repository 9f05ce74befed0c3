//! PH-2 to PH-5: who may approve what, and for how long it counts.

use shared_types::rollout::{Approval, VoidReason};

use super::world::{World, minutes, phase};
use crate::rollout::event::Expected;
use crate::rollout::{Blocker, Event, Reason, Rejection, approval};
use crate::story::words;

/// In phase A of the shipped policy: `sre` and `dev-lead`, with a gate that is satisfied.
fn ripe_a() -> World {
    let mut world = World::in_phase("A");
    world.policy.phases[0].advance.approvals = vec!["sre".into(), "dev-lead".into()];
    world.policy.phases[1].advance.approvals = vec!["sre".into()];
    world.ripen();
    world
}

/// In phase B of the shipped policy: `sre`.
fn ripe_b() -> World {
    let mut world = World::in_phase("B");
    world.policy.phases[1].advance.approvals = vec!["sre".into()];
    world.ripen();
    world
}

fn promote(world: &mut World, by: &str) -> Result<(), Rejection> {
    world.apply(Event::Promote { by: by.into(), from: None }).map(drop)
}

#[track_caller]
fn refused(refusal: Result<(), Rejection>, reason: Reason, code: &str) {
    let refusal = refusal.unwrap_err();
    let found = refusal.blockers.first().map_or(refusal.code().as_str(), Blocker::code);
    assert_eq!((refusal.reason(), found), (reason, code), "{refusal}");
}

fn missing(world: &World) -> Vec<String> {
    approval::missing(&world.target, &world.terms())
}

/// PH-2: both roles, by two people; everything that is missing is named until then.
#[test]
fn two_roles_asked_for_are_given_by_two_people() {
    let mut world = ripe_a();
    assert_eq!(missing(&world), ["sre", "dev-lead"]);
    world.approve("ana", "sre").unwrap();
    let refusal = promote(&mut world, "ana").unwrap_err();
    let named: Vec<_> = refusal.blockers.iter().map(|it| (it.code(), words::blocker(it))).collect();
    assert_eq!(named, [("approval_missing", "dev-lead".to_owned())]);
    refused(world.approve("ana", "dev-lead").map(drop), Reason::Blocked, "approval_by_same_person");
    world.approve("ben", "dev-lead").unwrap();
    promote(&mut world, "ana").unwrap();
}

/// PH-3: nobody approves alone what they asked for; somebody else asks, or somebody else approves too.
#[test]
fn nobody_moves_a_phase_up_on_their_own_approval_alone() {
    let mut world = ripe_b();
    world.approve("ana", "sre").unwrap();
    refused(promote(&mut world, "ana"), Reason::Blocked, "approval_by_requester");
    let mut asked_by_another = ripe_b();
    asked_by_another.approve("ana", "sre").unwrap();
    promote(&mut asked_by_another, "ben").unwrap();
    world.approve("eve", "sre").unwrap();
    promote(&mut world, "ana").unwrap();
}

/// PH-5: a phase that asks for nobody's approval is not stopped by who asks.
#[test]
fn without_roles_asked_for_anybody_may_ask_alone() {
    let mut world = World::in_phase("A");
    world.ripen();
    promote(&mut world, "ana").unwrap();
}

/// PH-5: everything forged, outdated or self-given is refused, and changes nothing.
#[test]
fn forged_outdated_and_repeated_approvals_are_refused() {
    let expect = |phase_id: Option<&str>, epoch, version: Option<&str>| Expected {
        phase: phase_id.map(phase),
        epoch,
        policy_version: version.map(str::to_owned),
    };
    let table = [
        ("a role that is not asked for", "governance", expect(None, None, None), "approval_not_asked"),
        ("a role in other letters", "SRE", expect(None, None, None), "approval_not_asked"),
        ("another phase", "sre", expect(Some("B"), None, None), "wrong_phase"),
        ("an epoch that is over", "sre", expect(Some("A"), Some(0), None), "outdated"),
        ("an epoch to come", "sre", expect(None, Some(2), None), "outdated"),
        ("a policy that has changed since", "sre", expect(None, Some(1), Some("sha256:9")), "outdated"),
    ];
    for (what, role, expected, code) in table {
        let mut world = ripe_a();
        let before = world.target.clone();
        let refusal = world.approve_expecting("eve", role, expected).unwrap_err();
        let found = refusal.blockers.first().map_or(refusal.code().as_str(), Blocker::code);
        assert_eq!(found, code, "{what}: {refusal}");
        assert_eq!(world.target, before, "{what}");
    }
    let mut world = ripe_a();
    let exact = expect(Some("A"), Some(1), Some("sha256:0"));
    assert!(!world.approve_expecting("ana", "sre", exact.clone()).unwrap().repeated);
    assert!(world.approve_expecting("ana", "sre", exact).unwrap().repeated, "the same again changes nothing");
    assert_eq!(world.target.approvals.len(), 1);
}

/// PH-5: each reason why an approval stops counting, kept with its name.
#[test]
fn an_approval_is_void_when_what_it_is_bound_to_changes() {
    type Change = fn(&mut World);
    let table: [(VoidReason, Change); 4] = [
        (VoidReason::PolicyChanged, |world| {
            world.policy_version = "sha256:1".into();
            world.ripen();
        }),
        (VoidReason::Moved, |world| {
            promote(world, "eve").unwrap();
            world.finish_command();
        }),
        (VoidReason::Moved, |world| {
            world.violation();
            world.finish_command();
        }),
        (VoidReason::Withdrawn, |world| {
            world.apply(Event::Withdraw { by: "ana".into(), role: "sre".into() }).unwrap();
        }),
    ];
    for (why, change) in table {
        let mut world = ripe_b();
        world.approve("ana", "sre").unwrap();
        change(&mut world);
        assert!(world.target.approvals.is_empty(), "{why:?}");
        let void: Vec<_> =
            world.target.approvals_void.iter().map(|it| (it.why, it.approval.by.as_str())).collect();
        assert_eq!(void, [(why, "ana")]);
    }
}

/// PH-5: approvals of phase A open no door from B, nor those of an earlier stay one from a later.
#[test]
fn an_approval_of_an_earlier_stay_opens_no_later_door() {
    let mut world = ripe_a();
    world.approve("ana", "sre").unwrap();
    world.approve("ben", "dev-lead").unwrap();
    promote(&mut world, "eve").unwrap();
    world.finish_command();
    world.ripen();
    refused(promote(&mut world, "eve"), Reason::Blocked, "approval_missing");
    world.violation();
    world.finish_command();
    for _ in 0..8 {
        world.judged(shared_types::Verdict::Ok, None);
    }
    world.ripen();
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(missing(&world), ["sre", "dev-lead"]);
    refused(promote(&mut world, "eve"), Reason::Blocked, "approval_missing");
}

/// PH-5: even where nothing has happened since the policy changed, its approvals do not count.
#[test]
fn a_changed_policy_voids_at_once() {
    let mut world = ripe_b();
    world.approve("ana", "sre").unwrap();
    world.policy_version = "sha256:1".into();
    assert_eq!(missing(&world), ["sre"]);
    refused(promote(&mut world, "ben"), Reason::Blocked, "approval_missing");
    let shown = approval::swept(&world.target, &world.terms());
    assert_eq!((shown.standing.len(), shown.void[0].why), (0, VoidReason::PolicyChanged));
}

/// PH-5: an approval is bound to phase, epoch and policy, and counts only where all three are those of now.
#[test]
fn an_approval_counts_where_it_was_given_and_nowhere_else() {
    fn check(what: &str, counts: bool, change: fn(&mut Approval)) {
        let mut world = ripe_b();
        world.approve("ana", "sre").unwrap();
        change(&mut world.target.approvals[0]);
        assert_eq!(missing(&world).is_empty(), counts, "{what}");
    }
    check("nothing", true, |_| {});
    check("another phase", false, |it| it.phase = phase("A"));
    check("another epoch", false, |it| it.epoch -= 1);
    check("another policy", false, |it| it.policy_version.push('x'));
}

/// PH-5: one takes back one's own, and may then approve otherwise.
#[test]
fn only_ones_own_approval_can_be_withdrawn() {
    let mut world = ripe_a();
    world.approve("ana", "sre").unwrap();
    let withdraw = |by: &str, role: &str| Event::Withdraw { by: by.into(), role: role.into() };
    refused(world.apply(withdraw("ben", "sre")).map(drop), Reason::NoApproval, "no_approval");
    refused(world.apply(withdraw("ana", "dev-lead")).map(drop), Reason::NoApproval, "no_approval");
    world.apply(withdraw("ana", "sre")).unwrap();
    refused(world.apply(withdraw("ana", "sre")).map(drop), Reason::NoApproval, "no_approval");
    world.approve("ana", "dev-lead").unwrap();
    assert_eq!(missing(&world), ["sre"]);
}

/// PH-5: what nobody asks for cannot be approved: in `off`, in `completed`, while a command runs.
#[test]
fn nothing_is_approved_where_no_move_up_can_follow() {
    let mut world = World::new();
    refused(world.approve("ana", "sre").map(drop), Reason::Blocked, "approval_not_asked");
    let mut world = ripe_b();
    world.approve("ana", "sre").unwrap();
    promote(&mut world, "ben").unwrap();
    refused(world.approve("eve", "sre").map(drop), Reason::Blocked, "transition_running");
    let withdraw = Event::Withdraw { by: "ana".into(), role: "sre".into() };
    refused(world.apply(withdraw).map(drop), Reason::Blocked, "transition_running");
    world.advance(minutes(1));
    world.finish_command();
    assert_eq!(world.target.phase, phase("C"));
}
