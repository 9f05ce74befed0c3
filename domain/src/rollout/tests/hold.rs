//! Freeze and budget: what does not start by itself is never lost.

use std::time::Duration;

use shared_types::decision::ViolationAction;
use shared_types::incident::IncidentState;
use shared_types::rollout::{HoldReason, RolloutState, TransitionState};
use shared_types::{Timestamp, Verdict};

use super::world::{World, minutes, phase};
use crate::rollout::{Blocker, Effect, Event, NoticeKind, Stage, promotion};
use crate::story::words;

fn by_hand(from: &str) -> Event {
    Event::Rollback { by: "ben".into(), from: phase(from), reason: "users complain".into() }
}

fn cancelled(world: &World) -> usize {
    world.effects.iter().filter(|it| matches!(it, Effect::CancelRun(_))).count()
}

/// What the collector was told last.
fn collects(world: &World) -> bool {
    world.target.directive.as_ref().is_some_and(|it| it.collect)
}

/// RB-7, DE-5: in a frozen target an incident opens, is told and paged; its rollback waits until the freeze ends.
#[test]
fn a_rollback_waits_for_the_end_of_a_freeze() {
    let mut world = World::in_phase("B");
    world.freeze();
    assert_eq!(world.target.rollout_state(), RolloutState::Frozen);
    world.violation();
    assert_eq!((world.waits_for(), world.runs().len()), (Some(HoldReason::Frozen), 0));
    assert_eq!(world.pages(), ["P2"]);
    let told = &world.notices(|it| matches!(it, NoticeKind::Incident))[0];
    let command = "phasegate rollback --target autosave --phase B --reason \"save_latency_p95 violation\"";
    assert_eq!(told.command.as_deref(), Some(command));
    assert!(told.waiting.as_ref().unwrap().starts_with("frozen by fay, flags answer wrongly"));
    let shown = crate::story::views::dashboard_target(&world.target, None).rollback_waiting.unwrap();
    assert_eq!(
        (&shown.data["how"], &shown.data["by"]),
        (&"frozen".into(), &"fay".into()),
        "a target without policy"
    );
    assert_eq!(world.rollback().unwrap().state, TransitionState::Waiting);
    assert!(collects(&world), "the phase is still served, so it is still judged");
    for _ in 0..100 {
        world.judged(Verdict::Ok, None);
        world.apply(Event::Tick).unwrap();
    }
    assert_eq!(
        world.waits_for(),
        Some(HoldReason::Frozen),
        "compliance does not take it back, nor does time"
    );
    world.unfreeze();
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    assert!(!collects(&world));
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(world.incident().rollbacks, 1);
}

/// RB-7: by hand it goes at once, frozen or not, and becomes the incident's rollback.
#[test]
fn a_rollback_by_hand_goes_through_a_freeze() {
    let mut world = World::in_phase("C");
    world.freeze();
    world.apply(by_hand("C")).unwrap();
    world.finish_command();
    assert_eq!(world.target.phase, phase("B"));
    world.violation();
    assert!(world.waits_for().is_some());
    world.apply(by_hand("B")).unwrap();
    assert_eq!(world.incident().rollbacks, 1);
    world.finish_command();
    assert_eq!(
        (world.target.phase.clone(), world.target.rollout_state()),
        (phase("A"), RolloutState::Frozen)
    );
    assert_eq!(world.runs().len(), 2);
    world.unfreeze();
    assert_eq!(world.runs().len(), 2, "nothing is left to start");
}

/// RB-6: the second rollback of an incident waits for the end of a freeze too.
#[test]
fn an_unrecovered_watch_waits_in_a_frozen_target() {
    let mut world = World::in_phase("C");
    world.violation();
    world.finish_command();
    world.freeze();
    for _ in 0..6 {
        world.violation();
    }
    assert_eq!(world.waits_for(), Some(HoldReason::Frozen));
    world.unfreeze();
    assert_eq!(world.runs(), [(phase("C"), phase("B")), (phase("B"), phase("A"))]);
}

/// RB-1: what is due on an older incident does not start the rollback of the open one; that has a time of its own.
#[test]
fn a_tick_for_an_older_incident_leaves_what_waits() {
    let mut world = World::in_phase("C");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    world.violation();
    world.finish_command();
    for _ in 0..7 {
        world.judged(Verdict::Ok, None);
    }
    let older = world.incident().id.clone();
    world.violation();
    assert_eq!(world.waits_for(), Some(HoldReason::Budget));
    world.advance(Duration::from_secs(86_400));
    world.apply_to(Some(older.clone()), Event::Tick).unwrap();
    assert_eq!(world.waits_for(), Some(HoldReason::Budget));
    world.apply(Event::Tick).unwrap();
    assert_eq!((world.waits_for(), world.runs().len()), (None, 2));
    assert_ne!(world.running().incident, Some(older));
}

/// PH-6: no move up in a frozen target; one that has not started its command is taken back.
#[test]
fn nothing_moves_up_in_a_frozen_target() {
    let mut world = World::in_phase("A");
    world.ripen();
    world.freeze();
    let promote = || Event::Promote { by: "ana".into(), from: None };
    let refusal = world.apply(promote()).unwrap_err();
    assert_eq!(refusal.blockers[0].code(), "frozen");
    let text = words::blocker(&refusal.blockers[0]);
    assert!(text.contains("fay") && text.contains("unfreeze"), "{text}");
    world.unfreeze();
    world.apply(promote()).unwrap();
    world.freeze();
    assert_eq!((&world.target.stage, cancelled(&world)), (&Stage::Idle, 1));
    let mut off = World::new();
    off.freeze();
    let refusal = off.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap_err();
    assert_eq!(refusal.blockers[0].code(), "frozen");
}

/// RB-3: a command that runs goes to its end; one that only waits for its turn, or for its retry, does not start.
#[test]
fn a_freeze_stops_what_has_not_started() {
    let mut world = World::in_phase("B");
    world.violation();
    let first = world.running().id;
    world.freeze();
    assert_eq!((world.waits_for(), cancelled(&world)), (Some(HoldReason::Frozen), 1));
    assert!(collects(&world));
    world.unfreeze();
    assert_ne!(world.running().id, first, "a row that was taken back is not used again");
    world.start_command();
    world.freeze();
    assert_eq!(world.waits_for(), None, "it runs");
    let failed = |world: &World| Event::TransitionAttemptFailed {
        transition: world.running().id,
        reason: "exit 1".into(),
        next: world.now.plus(minutes(1)),
    };
    world.apply(failed(&world)).unwrap();
    assert_eq!((world.waits_for(), cancelled(&world)), (Some(HoldReason::Frozen), 2));
    world.unfreeze();
    world.finish_command();
    assert_eq!((world.target.phase.clone(), world.target.automatic_rollbacks.len()), (phase("A"), 1));
}

/// RB-7: a person's rollback is not stopped by a freeze, not even between two attempts.
#[test]
fn a_freeze_does_not_stop_a_rollback_by_hand() {
    let mut world = World::in_phase("B");
    world.apply(by_hand("B")).unwrap();
    world.freeze();
    world.start_command();
    let (transition, next) = (world.running().id, world.now.plus(minutes(1)));
    world.apply(Event::TransitionAttemptFailed { transition, reason: "exit 1".into(), next }).unwrap();
    assert!(matches!(world.target.stage, Stage::RollingBack(_)));
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
}

/// PH-5: a move up that was overtaken by a violation never counts; frozen, the rollback behind it waits.
#[test]
fn a_rollback_behind_a_running_promotion_waits_in_a_frozen_target() {
    let mut world = World::in_phase("A");
    world.ripen();
    world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    world.start_command();
    world.violation();
    world.freeze();
    assert!(matches!(world.target.stage, Stage::Superseded { .. }));
    world.succeed_command();
    assert_eq!((world.waits_for(), world.target.phase.clone()), (Some(HoldReason::Frozen), phase("A")));
    assert!(collects(&world));
    world.unfreeze();
    world.finish_command();
    assert!(world.target.phase.is_off());
}

/// Freezing and unfreezing twice change nothing the second time, and are told once.
#[test]
fn freezing_what_is_frozen_changes_nothing() {
    let mut world = World::in_phase("A");
    world.freeze();
    let before = world.target.clone();
    assert!(world.apply(Event::Freeze { by: "eve".into(), reason: "me too".into() }).unwrap().repeated);
    assert_eq!(world.target, before);
    assert!(!world.unfreeze().repeated);
    assert!(world.unfreeze().repeated);
    let told = world.notices(|it| matches!(it, NoticeKind::Frozen { .. } | NoticeKind::Unfrozen { .. }));
    assert_eq!(told.len(), 2);
}

/// A violation, its rollback and its recovery; after it the target is in `off` and started again.
fn one_round(world: &mut World) {
    world.violation();
    world.finish_command();
    // PH-11: a spent budget would keep it from starting.
    let budget = std::mem::replace(&mut world.policy.transitions.budget.automatic_rollbacks, u64::MAX);
    world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap();
    world.finish_command();
    world.policy.transitions.budget.automatic_rollbacks = budget;
}

/// PH-11: while no rollback may start by itself nothing moves up, and what is in the way says until when.
#[test]
fn a_spent_budget_blocks_moving_up() {
    let mut world = World::in_phase("A");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    world.violation();
    world.finish_command();
    let start = || Event::Start { by: "ana".into(), obstacles: Vec::new() };
    let refused = world.apply(start()).unwrap_err();
    let until = world.now.plus(world.policy.transitions.budget.per);
    let spent = Blocker::RollbackBudgetSpent { most: 1, per: "24h".into(), until };
    assert!(refused.blockers.contains(&spent), "{refused:?}");
    world.advance(world.policy.transitions.budget.per);
    world.apply(start()).unwrap();
    world.finish_command();
    world.ripen();
    assert_eq!(promotion::blockers(&world.target, &world.terms()), []);
    world.target.automatic_rollbacks.push(world.now);
    let until = world.now.plus(world.policy.transitions.budget.per);
    let spent = Blocker::RollbackBudgetSpent { most: 1, per: "24h".into(), until };
    assert_eq!(promotion::blockers(&world.target, &world.terms()), [spent]);
}

/// The budget: the rollback beyond it waits, a person is paged at the escalation priority, and asked in the channel.
#[test]
fn beyond_the_budget_a_person_is_asked() {
    let mut world = World::in_phase("A");
    world.policy.transitions.budget.automatic_rollbacks = 2;
    one_round(&mut world);
    one_round(&mut world);
    world.effects.clear();
    world.violation();
    assert_eq!((world.waits_for(), world.runs().len()), (Some(HoldReason::Budget), 0));
    assert_eq!(world.pages(), ["P2", "P1"]);
    assert_eq!(world.incident().priority, "P1");
    let asked = &world.notices(|it| matches!(it, NoticeKind::RollbackWaiting))[0];
    assert!(
        asked.waiting.as_ref().unwrap().starts_with("the budget of 2 automatic rollbacks per 24h is spent")
    );
    world.apply(by_hand("A")).unwrap();
    world.finish_command();
    assert!(world.target.phase.is_off());
    assert_eq!(world.incident().state(), IncidentState::Recovered);
}

/// The budget: where nobody decides, it starts by itself as soon as the budget allows it, and not before.
#[test]
fn a_rollback_beyond_the_budget_starts_when_the_budget_allows_it() {
    let mut world = World::in_phase("A");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    let first = world.now.plus(minutes(15));
    one_round(&mut world);
    world.violation();
    let due = first.plus(minutes(24 * 60));
    let Stage::Waiting(waiting) = &world.target.stage else { panic!("{:?}", world.target.stage) };
    assert_eq!((waiting.until, world.target.next_due()), (Some(due), Some(due)));
    world.effects.clear();
    world.now = due.minus(Duration::from_millis(1));
    world.apply(Event::Tick).unwrap();
    assert!(world.runs().is_empty());
    world.now = due;
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.runs(), [(phase("A"), phase("off"))]);
}

/// The budget: rollbacks by hand cost nothing; the shipped one is six a day.
#[test]
fn rollbacks_by_hand_cost_no_budget() {
    let mut world = World::in_phase("A");
    let shipped = world.policy.transitions.budget;
    assert_eq!((shipped.automatic_rollbacks, shipped.per), (6, minutes(24 * 60)));
    world.policy.transitions.budget.automatic_rollbacks = 1;
    for _ in 0..3 {
        world.apply(by_hand("A")).unwrap();
        world.finish_command();
        world.apply(Event::Start { by: "ana".into(), obstacles: Vec::new() }).unwrap();
        world.finish_command();
    }
    world.violation();
    assert_eq!(world.waits_for(), None);
}

/// PH-5: who asks for a move up meanwhile is told what the rollback waits for, the freeze or the budget.
#[test]
fn a_move_up_is_refused_with_what_the_rollback_waits_for() {
    fn check(world: &mut World, expected: &str) {
        world.violation();
        let refusal = world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap_err();
        let waits = refusal.blockers.iter().find(|it| it.code() == "rollback_waiting").unwrap();
        assert!(words::blocker(waits).contains(expected), "{}", words::blocker(waits));
    }
    let mut frozen = World::in_phase("B");
    frozen.freeze();
    check(&mut frozen, "frozen by fay");
    let mut spent = World::in_phase("B");
    spent.policy.transitions.budget.automatic_rollbacks = 1;
    spent.target.automatic_rollbacks.push(spent.now);
    check(&mut spent, "the budget of 1");
}

/// Freeze and budget: the end of a freeze does not spend what is not there.
#[test]
fn a_budget_that_is_spent_holds_after_a_freeze_too() {
    let mut world = World::in_phase("A");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    one_round(&mut world);
    world.freeze();
    world.violation();
    world.effects.clear();
    world.unfreeze();
    assert_eq!((world.waits_for(), world.runs().len()), (Some(HoldReason::Budget), 0));
    assert_eq!(world.pages(), ["P1"]);
}

/// RB-7: what waits for another reason than before has that reason's time and words; a freeze has no time.
#[test]
fn what_waits_for_something_else_has_its_time_and_words() {
    fn check(world: &World, why: HoldReason, until: Option<Timestamp>, words: &str) {
        let waiting = world.target.waiting().unwrap();
        assert_eq!((waiting.why, waiting.until, world.target.next_due()), (why, until, until));
        assert!(waiting.detail.contains(words), "{}", waiting.detail);
    }
    let mut world = World::in_phase("A");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    let first = world.now.plus(minutes(15));
    let due = first.plus(world.policy.transitions.budget.per);
    one_round(&mut world);
    world.violation();
    check(&world, HoldReason::Budget, Some(due), "the budget of 1");
    world.freeze();
    check(&world, HoldReason::Frozen, None, "frozen by fay");
    world.unfreeze();
    check(&world, HoldReason::Budget, Some(due), "the budget of 1");
    world.now = due;
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.runs().last(), Some(&(phase("A"), phase("off"))));
}

/// RB-3, PH-6: a move up whose attempt fails in a frozen target is given up, and not tried again.
#[test]
fn a_move_up_that_fails_in_a_frozen_target_is_given_up() {
    let mut world = World::in_phase("A");
    world.ripen();
    world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    world.start_command();
    world.freeze();
    assert_eq!(cancelled(&world), 0, "it runs");
    let (transition, next) = (world.running().id, world.now.plus(minutes(1)));
    world.apply(Event::TransitionAttemptFailed { transition, reason: "exit 1".into(), next }).unwrap();
    assert_eq!((&world.target.stage, cancelled(&world)), (&Stage::Idle, 1));
    assert_eq!(world.target.ended.as_ref().unwrap().state, TransitionState::Failed);
}

/// RB-7: whoever is told of a freeze, or of its end, is told the command of the rollback it holds, and no other.
#[test]
fn a_freeze_is_told_with_the_rollback_it_holds() {
    fn check(world: &World, expected: bool) {
        let told = world.notices(|it| matches!(it, NoticeKind::Frozen { .. } | NoticeKind::Unfrozen { .. }));
        let command = told.last().unwrap().command.as_deref();
        assert_eq!(command.is_some_and(|it| it.starts_with("phasegate rollback")), expected, "{command:?}");
        assert_eq!(command.is_some(), expected, "{command:?}");
    }
    let mut world = World::in_phase("B");
    world.freeze();
    check(&world, false);
    world.unfreeze();
    check(&world, false);
    world.violation();
    world.freeze();
    check(&world, true);
    world.unfreeze();
    check(&world, true);
    let mut promoting = World::in_phase("A");
    promoting.ripen();
    promoting.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    promoting.start_command();
    promoting.freeze();
    check(&promoting, false);
}

/// PH-5: those who can approve are asked once an epoch and policy version, when nothing else is missing.
#[test]
fn approvals_are_asked_for_once() {
    let mut world = World::in_phase("B");
    world.policy.phases[1].advance.approvals = vec!["sre".into()];
    let asked = |world: &World| {
        let mut notices = world.notices(|it| matches!(it, NoticeKind::ApprovalAsked(_))).into_iter();
        let kind = |it: crate::rollout::Notice| match it.kind {
            NoticeKind::ApprovalAsked(asked) => (asked.next.to_string(), asked.roles.join(","), asked.epoch),
            _ => unreachable!(),
        };
        (notices.len(), notices.next_back().map(kind))
    };
    world.judged(Verdict::Ok, None);
    assert_eq!(asked(&world), (0, None), "the gate is not satisfied");
    world.ripen();
    world.ripen();
    assert_eq!(asked(&world), (1, Some(("C".to_owned(), "sre".to_owned(), 2))));
    world.policy_version = "sha256:1".into();
    world.ripen();
    world.ripen();
    assert_eq!(asked(&world).0, 2);
    world.approve("ana", "sre").unwrap();
    world.policy_version = "sha256:2".into();
    world.ripen();
    assert_eq!(asked(&world).0, 3, "its approval is void");
    let mut frozen = World::in_phase("B");
    frozen.policy.phases[1].advance.approvals = vec!["sre".into()];
    frozen.freeze();
    frozen.ripen();
    assert_eq!(asked(&frozen).0, 0, "nothing moves up there");
    let mut alerted = World::in_phase("B");
    alerted.policy.phases[1].advance.approvals = vec!["sre".into()];
    alerted.judged(Verdict::Violation, Some(ViolationAction::Page));
    alerted.judged(Verdict::Ok, None);
    alerted.judged(Verdict::Ok, None);
    alerted.ripen();
    assert_eq!(asked(&alerted).0, 0, "an alert stands in the way for the whole stay");
}
