//! RB-1 to RB-7: how a rollback runs, and what follows it.

use shared_types::decision::{Cause, ViolationAction};
use shared_types::incident::IncidentState;
use shared_types::rollout::TransitionState;
use shared_types::{Verdict, Window};
use uuid::Uuid;

use super::world::{World, minutes, phase};
use crate::executors::Report;
use crate::rollout::{
    Context, Effect, Event, IncidentStatus, Mitigation, NoticeKind, Reason, Stage, Step, begin_command,
};
use crate::story::words;

fn by_hand(from: &str) -> Event {
    Event::Rollback { by: "ben".into(), from: phase(from), reason: "users complain".into() }
}

/// RB-1, RB-2: C→B, B→A, A→off; the command names the phase to reach.
#[test]
fn a_rollback_goes_exactly_one_phase_down() {
    for (from, to) in [("C", "B"), ("B", "A"), ("A", "off")] {
        let mut world = World::in_phase(from);
        world.violation();
        assert_eq!(world.runs(), [(phase(from), phase(to))]);
        let it = world.running();
        assert_eq!(it.request.words, format!("pnpm run flags:rollback --phase {to}"));
        let human = format!(
            "phasegate rollback --target autosave --phase {from} --reason \"save_latency_p95 violation\""
        );
        assert_eq!(it.human, human);
        let epoch = world.target.epoch;
        world.finish_command();
        assert_eq!((world.target.phase.clone(), world.target.epoch), (phase(to), epoch + 1));
    }
}

/// RB-5, CO-6: after success the collector gets the new phase, epoch and cadence, after the stop.
#[test]
fn directives_follow_each_other_with_growing_sequence() {
    let mut world = World::in_phase("B");
    let before = world.target.directive.clone().unwrap();
    world.violation();
    world.finish_command();
    let directives: Vec<_> = world
        .effects
        .iter()
        .filter_map(|it| if let Effect::Direct(it) = it { Some(it.clone()) } else { None })
        .collect();
    let [stop, resume] = directives.as_slice() else { panic!("{directives:?}") };
    assert_eq!((stop.sequence, stop.collect, stop.epoch), (before.sequence + 1, false, before.epoch));
    assert_eq!(
        (resume.sequence, resume.collect, resume.epoch),
        (before.sequence + 2, true, before.epoch + 1)
    );
    assert_eq!((resume.cadence_ms, resume.until), (300_000, Some(world.now.plus(minutes(30)))));
    assert_eq!(resume.phase, phase("A"));
}

/// RB-12, RB-5: the runbook text is written with the first start of the command, once, whatever comes of it.
#[test]
fn the_runbook_text_comes_with_the_start() {
    let mut world = World::in_phase("B");
    world.violation();
    let texts = |world: &World| world.notices(|it| matches!(it, NoticeKind::Rollback(_))).len();
    assert_eq!(texts(&world), 0);
    world.start_command();
    assert_eq!(texts(&world), 1);
    world.fail_command();
    assert_eq!(texts(&world), 1);
    let transition = world.running().id;
    world.apply(Event::TransitionRetried { transition, by: "ana".into() }).unwrap();
    world.start_command();
    world.succeed_command();
    assert_eq!(texts(&world), 1);
}

/// RB-12: after a rollback that failed for good the phase that is still served is measured and judged on; a retry stops it again.
#[test]
fn a_failed_rollback_leaves_nobody_blind() {
    let mut world = World::in_phase("B");
    let collects = |world: &World| world.target.directive.as_ref().unwrap().collect;
    world.violation();
    assert!(!collects(&world));
    world.fail_command();
    assert!(collects(&world));
    let epoch = world.target.epoch;
    world.advance(minutes(15));
    let step = world.judged(Verdict::Violation, Some(ViolationAction::Rollback));
    assert!(!step.stale);
    assert_eq!((world.target.epoch, world.target.phase.clone()), (epoch, phase("B")));
    let transition = world.running().id;
    world.apply(Event::TransitionRetried { transition, by: "ana".into() }).unwrap();
    assert!(!collects(&world));
    world.finish_command();
    assert!(collects(&world));
}

/// PH-8: silence in a window that was over when the stay began shows nothing of it, whatever phase and epoch it claims.
#[test]
fn silence_before_the_stay_is_stale() {
    let mut world = World::in_phase("B");
    world.violation();
    world.advance(minutes(40));
    world.finish_command();
    let mut decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    let since = world.target.since.unwrap();
    decision.window = Window { start: since.minus(minutes(20)), end: since.minus(minutes(5)) };
    decision.cause = Cause::CollectionDelayed;
    let step = world.apply(Event::Decided(Box::new(decision))).unwrap();
    assert!(step.stale);
    let watch = world.incident().status.watch().unwrap();
    assert_eq!(watch.violations, 0);
}

/// PH-11: one act takes it from everybody, from any phase and whatever is under way, as one transition.
#[test]
fn an_abort_goes_to_off_at_once() {
    let abort = || Event::Abort { by: "ana".into(), reason: "data loss".into() };
    let mut world = World::in_phase("C");
    world.apply(abort()).unwrap();
    assert_eq!((world.running().from.clone(), world.running().to.clone()), (phase("C"), phase("off")));
    assert!(world.apply(abort()).unwrap().repeated);
    world.finish_command();
    assert!(world.target.phase.is_off());
    assert_eq!(world.runs().len(), 1);
    assert_eq!(world.apply(abort()).unwrap_err().reason(), Reason::Blocked);

    // A rollback that runs goes to its end, and counts for nothing.
    let mut world = World::in_phase("C");
    world.violation();
    world.start_command();
    let told = |step: &Step| step.timeline.iter().map(|it| words::hop(&it.hop)).collect::<Vec<_>>();
    let asked = told(&world.apply(abort()).unwrap());
    assert!(asked.contains(&"the command to B has started; the rollback follows it".to_owned()), "{asked:?}");
    assert_eq!(world.target.stage.name(), "superseded");
    let Stage::Superseded { promotion: running, .. } = &world.target.stage else { panic!() };
    let transition = running.id;
    let ended = Event::TransitionSucceeded { transition, report: Report::default() };
    let ended = told(&world.apply(ended).unwrap());
    assert!(ended.contains(&"the command to B has ended and does not count".to_owned()), "{ended:?}");
    assert_eq!(world.running().to, phase("off"));
    world.finish_command();
    assert!(world.target.phase.is_off());
    assert_eq!(world.target.incident, None);

    // Nor does it wait for anything that holds rollbacks.
    let mut world = World::in_phase("B");
    world.freeze();
    world.apply(abort()).unwrap();
    world.finish_command();
    assert!(world.target.phase.is_off());
}

/// RB-3: a command that crashed in between is started again; it counts once.
#[test]
fn a_crash_between_start_and_result_only_starts_again() {
    let mut world = World::in_phase("B");
    world.violation();
    world.start_command();
    world.start_command();
    world.succeed_command();
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(world.running_attempts(), 2);
    assert_eq!(world.runs().len(), 1);
}

impl World {
    fn running_attempts(&self) -> u32 {
        self.target.ended.as_ref().unwrap().attempts
    }
}

/// RB-3: a result that arrives twice, or from a lost worker, changes nothing.
#[test]
fn a_second_result_is_rejected() {
    let mut world = World::in_phase("B");
    world.violation();
    let id = world.running().id;
    world.finish_command();
    let again = Event::TransitionFailed { transition: id, reason: "late".into() };
    assert_eq!(world.apply(again).unwrap_err().reason(), Reason::Superseded);
}

/// RB-6
#[test]
fn a_watch_of_compliant_batches_recovers() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    for _ in 0..5 {
        world.judged(Verdict::Ok, None);
        assert!(world.target.incident.is_some());
    }
    world.judged(Verdict::Warn, None);
    assert_eq!(world.incident().state(), IncidentState::Recovered);
    assert_eq!(world.incident().recovered_at, Some(world.now));
}

/// RB-6: a violation in the watch starts nothing at once; the end of the watch does.
#[test]
fn an_unrecovered_watch_starts_a_second_rollback_of_the_same_incident() {
    let mut world = World::in_phase("C");
    world.violation();
    world.finish_command();
    world.effects.clear();
    world.violation();
    assert!(world.runs().is_empty());
    for _ in 0..5 {
        world.judged(Verdict::Ok, None);
    }
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.incident().rollbacks, 2);
    assert_eq!(world.incident_texts(), 1, "the new epoch's violation is told once");
    assert_eq!(world.notices(|it| matches!(it, NoticeKind::Incident))[0].phase, phase("B"));
    assert!(world.pages().is_empty(), "the incident is paged already");
    world.finish_command();
    assert!(matches!(world.incident().status, IncidentStatus::Open(Mitigation::Watching(_))));
}

/// RB-6: too few samples neither break nor feed the watch; it waits for a batch that says something.
#[test]
fn a_watch_with_insufficient_batches_goes_on_until_one_can_be_judged() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    for _ in 0..8 {
        world.judged(Verdict::Insufficient, None);
        world.apply(Event::Tick).unwrap();
    }
    assert!(world.target.incident.is_some());
    world.advance(minutes(60));
    world.apply(Event::Tick).unwrap();
    assert!(world.runs().len() == 1, "no deadline once batches have reached the end");
    world.judged(Verdict::Ok, None);
    assert_eq!(world.incident().state(), IncidentState::Recovered);
}

/// RB-6: one compliant batch among insufficient ones is enough.
#[test]
fn insufficient_batches_beside_a_compliant_one_recover() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    world.judged(Verdict::Ok, None);
    for _ in 0..5 {
        world.judged(Verdict::Insufficient, None);
    }
    assert_eq!(world.incident().state(), IncidentState::Recovered);
}

/// RB-6: silence does not confirm anything.
#[test]
fn a_watch_nobody_reports_on_is_unrecovered_at_its_deadline() {
    let mut world = World::in_phase("C");
    world.violation();
    world.finish_command();
    let due = world.incident().next_due().unwrap();
    world.effects.clear();
    world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
    let deadline = world.incident().next_due().unwrap();
    assert!(due <= deadline);
    world.now = deadline.minus(std::time::Duration::from_millis(1));
    world.apply(Event::Tick).unwrap();
    assert!(world.runs().is_empty());
    world.now = deadline;
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
}

/// RB-6: a watch lasts as long as the policy says, and its last batch has the time that every batch has to come.
#[test]
fn a_watch_waits_for_its_last_batch_as_long_as_for_any_other() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    let IncidentStatus::Open(Mitigation::Watching(watch)) = &world.incident().status else { panic!() };
    let until = world.now.plus(minutes(30));
    let (transitions, collection) = (&world.policy.transitions, &world.policy.collection);
    let leeway = transitions.recovery_cadence + collection.grace + collection.delayed_after;
    assert_eq!((watch.until, watch.deadline), (until, Some(until.plus(leeway))));
}

/// RB-6, SLO-4: what only pages does not roll back at the end of a watch either.
#[test]
fn a_watch_broken_by_what_only_pages_goes_on_as_a_page() {
    let mut world = World::in_phase("C");
    world.violation();
    world.finish_command();
    world.effects.clear();
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    for _ in 0..5 {
        world.judged(Verdict::Ok, None);
    }
    assert!(world.runs().is_empty());
    assert!(matches!(world.incident().status, IncidentStatus::Open(Mitigation::Paged(_))));
}

/// RB-1, RB-6: at 0 % no SLO is left to hold.
#[test]
fn a_rollback_to_off_recovers_when_it_is_done() {
    let mut world = World::in_phase("A");
    world.violation();
    world.finish_command();
    assert_eq!(world.target.phase, phase("off"));
    assert_eq!(world.incident().state(), IncidentState::Recovered);
    let directive = world.target.directive.clone().unwrap();
    assert!(!directive.collect && directive.until.is_none());
}

/// RB-4
#[test]
fn a_rollback_that_fails_for_good_goes_to_p1_and_stays() {
    let mut world = World::in_phase("B");
    world.violation();
    world.start_command();
    let id = world.running().id;
    let next = world.now.plus(minutes(1));
    world.apply(Event::TransitionAttemptFailed { transition: id, reason: "exit 1".into(), next }).unwrap();
    world.fail_command();
    assert!(matches!(world.target.stage, Stage::RollbackFailed(_)));
    assert_eq!(world.pages(), ["P2", "P1"]);
    assert_eq!(world.notices(|it| matches!(it, NoticeKind::RollbackFailed { .. })).len(), 1);
    assert_eq!(world.rollback().unwrap().output.as_deref(), Some("exit 1"));
    assert_eq!(world.target.phase, phase("B"));
    world.advance(minutes(60));
    world.effects.clear();
    world.apply(Event::Tick).unwrap();
    assert!(world.effects.is_empty(), "it has been escalated already");
}

/// RB-4: a person has it tried again.
#[test]
fn a_failed_rollback_can_be_retried_by_a_person() {
    let mut world = World::in_phase("B");
    world.violation();
    world.fail_command();
    let id = world.running().id;
    world.apply(Event::TransitionRetried { transition: id, by: "ana".into() }).unwrap();
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    let again = Event::TransitionRetried { transition: id, by: "ana".into() };
    assert_eq!(world.apply(again).unwrap_err().reason(), Reason::Superseded);
}

/// RB-4: or takes over with a rollback of their own, which replaces the failed one.
#[test]
fn a_failed_rollback_can_be_taken_over() {
    let mut world = World::in_phase("B");
    world.violation();
    world.fail_command();
    let failed = world.running().id;
    world.apply(by_hand("B")).unwrap();
    assert!(world.effects.contains(&Effect::CancelRun(failed)));
    assert_ne!(world.running().id, failed);
    let retry = Event::TransitionRetried { transition: failed, by: "ana".into() };
    assert_eq!(world.apply(retry).unwrap_err().reason(), Reason::Superseded);
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert_eq!(world.incidents.len(), 1);
}

/// RB-3: the newest transition is the one under way, else the one that ended last.
#[test]
fn the_newest_transition_is_the_one_under_way_or_the_last() {
    let mut world = World::in_phase("B");
    let newest = |world: &World| world.target.newest_transition().map(|it| (it.to.clone(), it.state));
    assert_eq!(newest(&world), Some((phase("B"), TransitionState::Succeeded)));
    world.apply(by_hand("B")).unwrap();
    assert_eq!(newest(&world), Some((phase("A"), TransitionState::Requested)));
    world.finish_command();
    assert_eq!(newest(&world), Some((phase("A"), TransitionState::Succeeded)));
    assert_eq!(newest(&World::new()), None);
}

/// RB-7
#[test]
fn a_manual_rollback_names_the_current_phase_or_is_refused() {
    let mut world = World::in_phase("B");
    assert_eq!(world.apply(by_hand("C")).unwrap_err().reason(), Reason::WrongPhase);
    world.apply(by_hand("B")).unwrap();
    assert_eq!(world.apply(by_hand("C")).unwrap_err().reason(), Reason::WrongPhase);
    let busy = world.apply(by_hand("B")).unwrap_err();
    assert_eq!(busy.blockers[0].code(), "transition_running");
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert!(world.incidents.is_empty());
    let mut world = World::new();
    assert_eq!(world.apply(by_hand("off")).unwrap_err().reason(), Reason::NoSuchMove);
}

/// RB-7: during an incident's watch it becomes that incident's rollback.
#[test]
fn a_manual_rollback_during_an_incident_belongs_to_it() {
    let mut world = World::in_phase("C");
    world.violation();
    world.finish_command();
    world.apply(by_hand("B")).unwrap();
    assert_eq!(world.incident().rollbacks, 2);
    assert_eq!(world.rollback().unwrap().initiator, "ben");
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert!(matches!(world.incident().status, IncidentStatus::Open(Mitigation::Watching(_))));
}

/// RB-7, DE-4: a violation during a person's rollback opens an incident that adopts it.
#[test]
fn a_violation_during_a_manual_rollback_adopts_it() {
    let mut world = World::in_phase("B");
    world.apply(by_hand("B")).unwrap();
    let id = world.running().id;
    world.violation();
    assert_eq!(world.runs().len(), 1);
    assert_eq!(world.rollback().unwrap().id, id);
    assert_eq!(world.incident().rollbacks, 1);
    world.finish_command();
    assert_eq!(world.target.phase, phase("A"));
    assert!(matches!(world.incident().status, IncidentStatus::Open(Mitigation::Watching(_))));
}

/// RB-4: a person's rollback that fails opens an incident, because somebody must act now.
#[test]
fn a_failed_manual_rollback_opens_an_incident_at_p1() {
    let mut world = World::in_phase("B");
    world.apply(by_hand("B")).unwrap();
    world.fail_command();
    assert_eq!(world.incident().priority, "P1");
    assert_eq!(world.pages(), ["P1"]);
    world.apply(by_hand("B")).unwrap();
    world.finish_command();
    assert_eq!(world.rollback().unwrap().attempts, 1);
}

/// PH-6, RB-1: a promotion whose command has started must not win; the rollback follows whatever became of it.
#[test]
fn a_violation_during_a_started_promotion_is_rolled_back_after_it() {
    for ending in ["succeeded", "failed", "retrying", "skipped"] {
        let mut world = World::in_phase("A");
        world.ripen();
        world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
        world.start_command();
        world.effects.clear();
        world.violation();
        assert!(matches!(world.target.stage, Stage::Superseded { .. }));
        assert!(world.runs().is_empty(), "two commands never run beside each other");
        let id = world.running().id;
        match ending {
            "succeeded" => drop(world.succeed_command()),
            "failed" => {
                drop(world.apply(Event::TransitionFailed { transition: id, reason: "x".into() }).unwrap());
            }
            "retrying" => {
                let next = world.now;
                let event = Event::TransitionAttemptFailed { transition: id, reason: "x".into(), next };
                drop(world.apply(event).unwrap());
            }
            _ => drop(world.apply(Event::TransitionSkipped { transition: id }).unwrap()),
        }
        assert_eq!(world.runs(), [(phase("A"), phase("off"))], "{ending}");
        assert_eq!(world.target.phase, phase("A"), "the promotion does not count");
        world.finish_command();
        assert_eq!(world.target.phase, phase("off"));
    }
}

/// RB-3: after a crash the superseded promotion may not be started again.
#[test]
fn a_superseded_promotion_is_not_started_again() {
    let mut world = World::in_phase("A");
    world.ripen();
    world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    world.start_command();
    world.violation();
    let event = Event::TransitionStarted { transition: world.running().id, attempt: 2 };
    assert_eq!(world.apply(event).unwrap_err().reason(), Reason::Superseded);
}

/// RB-10: each attempt at any move of a target has a higher number than all before it, be the clock set back or the number
/// unknown to the release that wrote the state last.
#[test]
fn attempts_are_numbered_over_all_moves_of_a_target() {
    let mut world = World::in_phase("A");
    let mut numbers = vec![world.target.fence];
    world.ripen();
    world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
    for _ in 0..2 {
        world.start_command();
        numbers.push(world.target.fence);
    }
    world.succeed_command();
    world.violation();
    world.now = world.now.minus(minutes(60));
    world.start_command();
    numbers.push(world.target.fence);
    world.now = world.now.plus(minutes(120));
    world.target.fence = 0;
    world.start_command();
    numbers.push(world.target.fence);
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

/// A promotion that has not started its command is cancelled.
#[test]
fn a_violation_cancels_a_promotion_that_has_not_started() {
    for action in [ViolationAction::Rollback, ViolationAction::Page] {
        let mut world = World::in_phase("A");
        world.ripen();
        world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
        let id = world.running().id;
        world.effects.clear();
        world.judged(Verdict::Violation, Some(action));
        assert!(world.effects.contains(&Effect::CancelRun(id)));
        let rolls_back = action == ViolationAction::Rollback;
        assert_eq!(world.runs().len(), usize::from(rolls_back));
        let start = Event::TransitionStarted { transition: id, attempt: 1 };
        assert_eq!(world.apply(start).unwrap_err().reason(), Reason::Superseded);
    }
}

/// RB-3, GO-4: the start of a command that can begin right after the commit is an event of its own in that commit, and what
/// follows is what would have followed had it come by itself.
#[test]
fn a_command_may_begin_with_the_commit_that_asks_for_it() {
    let mut world = World::in_phase("B");
    let asked = world.violation();
    let policy = world.policy.clone();
    let context = Context {
        now: world.now,
        policy: &policy,
        policy_version: "sha256:0",
        new_incident: asked.incident.as_ref().unwrap().id.clone(),
        new_transition: Uuid::nil(),
        storm: None,
    };
    let began = begin_command(&asked, &context).unwrap();
    assert_eq!(began.event.name(), "transition_started");
    let together = asked.clone().followed_by(began.step);
    assert!(together.opened && together.target.stage.runnable().unwrap().is_started(1));
    assert!(!together.target.stage.runnable().unwrap().is_started(2));

    world.start_command();
    let apart = world.running();
    assert_eq!(together.target.stage.runnable(), Some(&apart));
    let hops: Vec<&str> = together.timeline.iter().map(|it| it.hop.kind()).collect();
    assert!(hops.ends_with(&["command_started"]), "{hops:?}");
    let runbook =
        |it: &&Effect| matches!(it, Effect::Notify(notice) if matches!(notice.kind, NoticeKind::Rollback(_)));
    assert_eq!(together.effects.iter().filter(runbook).count(), 1, "RB-12");

    let mut quiet = World::in_phase("B");
    let nothing = quiet.judged(Verdict::Ok, None);
    assert!(begin_command(&nothing, &context).is_none());
}
