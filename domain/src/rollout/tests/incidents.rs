//! ES-1 to ES-4, GO-3, DA-3.

use std::time::Duration;

use shared_types::Verdict;
use shared_types::incident::IncidentState;
use shared_types::story::{Acknowledgement, EscalationReason, Hop, LoggedHop};

use super::world::{World, minutes, submission};
use crate::rollout::{Effect, Event, NoticeKind, Reason, Step};

fn ack(world: &World) -> Event {
    Event::Acknowledged { by: "ana".into(), at: world.now }
}

fn escalations(world: &World) -> usize {
    world.notices(|it| matches!(it, NoticeKind::Escalation)).len()
}

/// ES-1: every page of an incident has one key, of its target and its own.
#[test]
fn the_pages_of_an_incident_share_a_key() {
    let mut world = World::in_phase("B");
    world.violation();
    let key = format!("phasegate/autosave/INC-20261122-001/{}", world.now.as_millis());
    assert_eq!(world.incident().dedup_key(), key);
}

/// ES-3: at 30 minutes, not before, and exactly once.
#[test]
fn an_unacknowledged_incident_escalates_exactly_once() {
    let mut world = World::in_phase("B");
    world.violation();
    let opened = world.now;
    world.now = opened.plus(minutes(30)).minus(Duration::from_millis(1));
    world.apply(Event::Tick).unwrap();
    assert_eq!(escalations(&world), 0);
    world.now = opened.plus(minutes(30));
    assert_eq!(world.incident().next_due(), Some(world.now));
    world.apply(Event::Tick).unwrap();
    world.apply(Event::Tick).unwrap();
    assert_eq!(escalations(&world), 1);
    assert_eq!(world.pages(), ["P2", "P1"]);
    assert_eq!(world.incident().priority, "P1");
    assert_eq!(world.incident().next_due(), world.incident().rca.remind_at);
    let raised = world.effects.iter().filter(|it| matches!(it, Effect::SetPagePriority { .. })).count();
    assert_eq!(raised, 1);
}

/// ES-3: whether it was acknowledged is asked just before it escalates: half a minute, or a tenth of a short time.
#[test]
fn the_page_is_looked_at_shortly_before_it_escalates() {
    for (escalate_after, before) in [(1800, 30), (300, 30), (60, 6)] {
        let (escalate_after, before) = (Duration::from_secs(escalate_after), Duration::from_secs(before));
        let mut world = World::in_phase("B");
        world.policy.paging.escalate_after = escalate_after;
        world.violation();
        let asked: Vec<_> = world
            .effects
            .iter()
            .filter_map(|it| if let Effect::CheckPage { at, .. } = it { Some(*at) } else { None })
            .collect();
        assert_eq!(asked, [world.now.plus(escalate_after - before)], "{escalate_after:?}");
    }
}

/// ES-3, RB-4, PH-3: the log says why it was escalated, and each page is an alert of the phase.
#[test]
fn an_escalation_says_why_and_counts_as_an_alert() {
    fn check(world: &World, step: &Step, expected: EscalationReason) {
        let why = |it: &LoggedHop| if let Hop::Escalated { how, .. } = &it.hop { Some(*how) } else { None };
        let told: Vec<_> = step.timeline.iter().filter_map(why).collect();
        assert_eq!((told, world.target.alerts), (vec![expected], 2));
    }
    let mut world = World::in_phase("B");
    world.violation();
    world.advance(minutes(30));
    let step = world.apply(Event::Tick).unwrap();
    check(&world, &step, EscalationReason::Unacknowledged);

    let mut world = World::in_phase("B");
    world.violation();
    let step = world.fail_command();
    check(&world, &step, EscalationReason::RollbackFailed);

    let mut world = World::in_phase("B");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    world.target.automatic_rollbacks.push(world.now);
    let step = world.violation();
    check(&world, &step, EscalationReason::RollbackWaiting);
}

/// ES-3: an acknowledgement that comes first wins whole.
#[test]
fn an_acknowledged_incident_does_not_escalate() {
    let mut world = World::in_phase("B");
    world.violation();
    world.advance(minutes(30));
    world.apply(ack(&world)).unwrap();
    world.apply(Event::Tick).unwrap();
    assert_eq!(escalations(&world), 0);
    assert_eq!(world.incident().priority, "P2");
}

/// ES-3: a replica whose clock is behind that of the one that opened the incident takes it all the same.
#[test]
fn what_happens_by_a_clock_that_is_behind_counts_from_the_opening() {
    let mut world = World::in_phase("B");
    world.violation();
    let opened = world.now;
    world.now = opened.minus(minutes(10));
    world.apply(ack(&world)).unwrap();
    world.apply(Event::PageResolved { by: "ana".into(), at: world.now }).unwrap();
    assert_eq!(world.incident().acknowledged.as_ref().unwrap().at, opened);
}

/// ES-3: one that comes second is recorded, with its own time; the escalation stays.
#[test]
fn a_late_acknowledgement_is_recorded_and_the_escalation_stays() {
    let mut world = World::in_phase("B");
    world.violation();
    let early = world.now.plus(minutes(20));
    world.advance(minutes(31));
    world.apply(Event::Tick).unwrap();
    world.apply(Event::Acknowledged { by: "pagerduty".into(), at: early }).unwrap();
    let incident = world.incident();
    assert_eq!(incident.acknowledged.as_ref().unwrap().at, early);
    assert_eq!((incident.priority.as_str(), incident.escalated_at.is_some()), ("P1", true));
}

/// ES-3: the first acknowledgement stays; a repeat answers as the first time.
#[test]
fn a_second_acknowledgement_changes_nothing() {
    let mut world = World::in_phase("B");
    world.violation();
    world.apply(ack(&world)).unwrap();
    let before = world.incident().clone();
    world.advance(minutes(1));
    world.apply(Event::Acknowledged { by: "ben".into(), at: world.now }).unwrap();
    assert_eq!(world.incident(), &before);
}

/// ES-3: the earliest acknowledgement is the first one, in whichever order they are heard; the log says which is which.
#[test]
fn the_earliest_acknowledgement_counts() {
    fn check(escalates: bool, heard: &[(u64, Option<Acknowledgement>)]) {
        let mut world = World::in_phase("B");
        world.violation();
        let opened = world.now;
        world.advance(minutes(if escalates { 30 } else { 20 }));
        world.apply(Event::Tick).unwrap();
        for (after, expected) in heard {
            let at = opened.plus(minutes(*after));
            let step = world.apply(Event::Acknowledged { by: format!("after {after}"), at }).unwrap();
            let how =
                |it: &LoggedHop| if let Hop::Acknowledged { how, .. } = &it.hop { Some(*how) } else { None };
            assert_eq!(step.timeline.iter().find_map(how), *expected, "{heard:?}: {after}");
            assert_eq!(step.repeated, expected.is_none(), "{heard:?}: {after}");
        }
        let earliest = heard.iter().map(|(after, _)| *after).min().unwrap();
        let kept = world.incident().acknowledged.clone().unwrap();
        assert_eq!((kept.at, kept.by), (opened.plus(minutes(earliest)), format!("after {earliest}")));
    }
    use Acknowledgement::{AfterEscalation, First, LearnedLate};
    check(false, &[(10, Some(First)), (11, None), (10, None), (9, Some(LearnedLate))]);
    check(true, &[(20, Some(AfterEscalation)), (20, None), (19, Some(LearnedLate))]);
}

/// ES-3: nobody having looked counts even when the incident has recovered meanwhile.
#[test]
fn a_recovered_incident_nobody_looked_at_still_escalates() {
    let mut world = World::in_phase("A");
    world.violation();
    world.finish_command();
    let id = world.incident().id.clone();
    assert_eq!(world.incident().state(), IncidentState::Recovered);
    world.advance(minutes(31));
    world.apply_to(Some(id), Event::Tick).unwrap();
    assert_eq!(escalations(&world), 1);
    assert_eq!(world.target.incident, None);
}

/// ES-4, GO-3: in either order, both are needed, and the page is resolved once.
#[test]
fn recovered_and_confirmed_resolves_the_page() {
    for confirmed_first in [true, false] {
        let mut world = World::in_phase("A");
        world.violation();
        let id = world.incident().id.clone();
        let rca = submission("ana");
        let confirm = Event::RcaConfirmed { by: "gov".into(), comment: "RCA confirmed".into(), read: None };
        if !confirmed_first {
            world.finish_command();
        }
        let early = world.apply_to(Some(id.clone()), confirm.clone()).unwrap_err();
        assert_eq!(early.blockers[0].code(), "rca_missing");
        world.apply_to(Some(id.clone()), rca).unwrap();
        world.apply_to(Some(id.clone()), confirm.clone()).unwrap();
        if confirmed_first {
            assert_eq!(world.incident().state(), IncidentState::Open);
            world.finish_command();
        }
        assert_eq!(world.incident().state(), IncidentState::Closed);
        let resolved = world.effects.iter().filter(|it| matches!(it, Effect::ResolvePage { .. })).count();
        assert_eq!(resolved, 1);
        let confirmation = world.incident().rca.confirmation.clone().unwrap();
        assert_eq!((confirmation.by.as_str(), confirmation.comment.as_str()), ("gov", "RCA confirmed"));
        assert_eq!(world.incident().next_due(), None, "a closed incident does not escalate");
        let late = world.apply_to(Some(id), ack(&world)).unwrap_err();
        assert_eq!(late.reason(), Reason::IncidentState);
    }
}

/// DA-3: on from the opening, off at the first gated decision after the recovery.
#[test]
fn the_banner_goes_off_with_the_first_batch_after_recovery() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    for _ in 0..6 {
        world.judged(Verdict::Ok, None);
        assert!(world.target.rollback_active());
    }
    assert_eq!(world.target.incident, None);
    world.judged(Verdict::Ok, None);
    assert!(!world.target.rollback_active());
}

/// DA-3: or one cycle later by itself, when no batch comes.
#[test]
fn the_banner_goes_off_by_itself_after_a_cycle() {
    let mut world = World::in_phase("A");
    world.violation();
    world.finish_command();
    assert_eq!(world.target.next_due(), Some(world.now.plus(minutes(15))));
    world.advance(minutes(15));
    world.apply(Event::Tick).unwrap();
    assert!(!world.target.rollback_active());
}

/// A new violation after a recovery opens a new incident.
#[test]
fn a_violation_after_recovery_opens_the_next_incident() {
    let mut world = World::in_phase("B");
    world.violation();
    world.finish_command();
    for _ in 0..6 {
        world.judged(Verdict::Ok, None);
    }
    world.violation();
    assert_eq!(world.incidents.len(), 2);
    assert_eq!(world.incident().id.as_str(), "INC-20261122-002");
    assert_eq!(world.pages(), ["P2", "P2"]);
}
