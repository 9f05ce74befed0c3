//! DE-1 to DE-4, PH-8, SLO-4.

use shared_types::Verdict;
use shared_types::decision::{Cause, Evidence, ViolationAction};

use super::world::{World, minutes, phase};
use crate::rollout::watch::asks_rollback;
use crate::rollout::{Effect, Event, IncidentStatus, Mitigation, NoticeKind, Stage};

fn kinds(world: &World) -> Vec<&'static str> {
    world.notices(|_| true).iter().map(|it| it.kind.name().into()).collect()
}

/// DE-1: the text follows; in which phases is the policy's word, asked when it is rendered.
#[test]
fn an_ok_batch_tells_people_and_opens_nothing() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Ok, None);
    assert_eq!(kinds(&world), ["ok"]);
    assert!(world.incidents.is_empty());
}

/// DE-2
#[test]
fn a_warning_warns() {
    let mut world = World::in_phase("A");
    world.judged(Verdict::Warn, None);
    assert_eq!(kinds(&world), ["warn"]);
}

/// SLO-6: nothing is said of a window with too few samples.
#[test]
fn an_insufficient_batch_only_changes_the_cards() {
    let mut world = World::in_phase("A");
    world.judged(Verdict::Insufficient, None);
    assert!(world.effects.is_empty());
    assert_eq!(world.target.latest.as_ref().unwrap().verdict, Verdict::Insufficient);
}

/// DE-3, ES-1, RB-5
#[test]
fn a_violation_opens_an_incident_pages_stops_the_cycle_and_rolls_back() {
    let mut world = World::in_phase("B");
    world.violation();
    let incident = world.incident();
    assert_eq!((incident.phase.as_str(), incident.metric.as_str()), ("B", "save_latency_p95"));
    assert_eq!(incident.id.as_str(), "INC-20261122-001");
    assert_eq!(world.incident_texts(), 1);
    assert_eq!(world.pages(), ["P2"]);
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    let stop = world.effects.iter().find_map(|it| if let Effect::Direct(it) = it { Some(it) } else { None });
    assert!(!stop.unwrap().collect);
    assert!(matches!(world.target.stage, Stage::RollingBack(_)));
    assert!(world.target.rollback_active());
}

/// DE-5: every hop up to the request has its own time.
#[test]
fn the_log_shows_each_hop_of_a_violation() {
    let mut world = World::in_phase("B");
    world.advance(minutes(15));
    let mut decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    world.advance(minutes(1));
    decision.decided_at = world.now;
    world.advance(minutes(1));
    let step = world.apply(Event::Decided(Box::new(decision.clone()))).unwrap();
    let hops: Vec<_> = step.timeline.iter().map(|it| (it.hop.kind(), it.at)).collect();
    let now = world.now;
    let expected = [
        ("batch_window_ended", decision.window.end),
        ("decided", decision.decided_at),
        ("decision_received", now),
        ("incident_opened", now),
        ("rollback_requested", now),
    ];
    assert_eq!(hops, expected);
}

/// DE-4
#[test]
fn second_violation_in_an_epoch_joins_the_open_incident() {
    let mut world = World::in_phase("B");
    world.violation();
    world.effects.clear();
    world.violation();
    assert_eq!(world.incidents.len(), 1);
    assert!(world.effects.is_empty(), "{:?}", world.effects);
    assert!(world.hops.contains(&"violation_joined".to_owned()));
}

/// DE-4: also while the command runs, and after it has failed.
#[test]
fn a_violation_while_the_command_runs_or_has_failed_starts_nothing() {
    let mut world = World::in_phase("B");
    world.violation();
    world.start_command();
    world.effects.clear();
    world.violation();
    assert!(world.effects.is_empty());
    world.fail_command();
    world.effects.clear();
    world.violation();
    assert!(world.effects.is_empty());
    assert_eq!(world.incidents.len(), 1);
}

/// PH-8
#[test]
fn a_decision_of_an_old_epoch_is_stale() {
    let mut world = World::in_phase("B");
    let mut old = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    old.epoch -= 1;
    let before = world.target.clone();
    let step = world.apply(Event::Decided(Box::new(old))).unwrap();
    assert!(step.stale);
    assert!(step.effects.is_empty());
    assert_eq!(world.target, before);
}

/// PH-8, DE-5: a violation of another stay is told in the log of the open incident; what was well there is not.
#[test]
fn only_a_violation_of_another_stay_stands_in_the_log() {
    for (verdict, told) in [
        (Verdict::Violation, vec!["decided", "decision_stale"]),
        (Verdict::Ok, vec![]),
        (Verdict::Warn, vec![]),
        (Verdict::Insufficient, vec![]),
    ] {
        let mut world = World::in_phase("B");
        world.violation();
        let mut old = world.decision(verdict, None);
        old.epoch -= 1;
        let step = world.apply(Event::Decided(Box::new(old))).unwrap();
        let hops: Vec<_> = step.timeline.iter().map(|it| it.hop.kind()).collect();
        assert_eq!(hops, told, "{verdict:?}");
    }
}

/// PH-5: the newest window says how things stand, however late an older one is heard; of one window the later word does.
#[test]
fn the_newest_window_is_the_latest_whichever_is_heard_last() {
    for (ended_minutes_before, replaces) in [(15, false), (0, true)] {
        let mut world = World::in_phase("B");
        world.judged(Verdict::Ok, None);
        let mut next = world.decision(Verdict::Insufficient, None);
        next.window.end = next.window.end.minus(minutes(ended_minutes_before));
        next.window.start = next.window.start.minus(minutes(ended_minutes_before));
        world.apply(Event::Decided(Box::new(next))).unwrap();
        let expected = if replaces { Verdict::Insufficient } else { Verdict::Ok };
        let latest = world.target.latest.as_ref().unwrap();
        assert_eq!(
            (latest.verdict, latest.window.end == world.now),
            (expected, true),
            "{ended_minutes_before}"
        );
    }
}

/// PH-8: neither is one of another phase, nor any in `off`.
#[test]
fn a_decision_of_another_phase_or_of_off_is_stale() {
    let mut world = World::in_phase("B");
    let mut other = world.decision(Verdict::Ok, None);
    other.phase = phase("A");
    assert!(world.apply(Event::Decided(Box::new(other))).unwrap().stale);
    let mut world = World::new();
    let decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    assert!(world.apply(Event::Decided(Box::new(decision))).unwrap().stale);
}

/// SLO-4: a decision asks for a rollback by its own word, or by the action that is taken of it.
#[test]
fn a_decision_asks_for_a_rollback_by_either_word() {
    use ViolationAction::{Hold, Page, Rollback};
    for (required, action, expected) in [
        (true, Some(Rollback), true),
        (true, Some(Page), true),
        (true, None, true),
        (false, Some(Rollback), true),
        (false, Some(Page), false),
        (false, Some(Hold), false),
        (false, None, false),
    ] {
        let mut decision = World::in_phase("B").decision(Verdict::Violation, action);
        decision.rollback_required = required;
        assert_eq!(asks_rollback(&decision, action), expected, "{required} {action:?}");
    }
}

/// An incident keeps what its texts need of the decision; its evidence stays in the table of decisions.
#[test]
fn an_incident_does_not_keep_evidence() {
    let mut world = World::in_phase("B");
    let mut decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    let (batch_hash, history) = (Some("sha256:0".to_owned()), Vec::new());
    decision.evidence =
        Some(Evidence { batch_hash, samples: 50, history, elapsed_ms: None, run: None, sequence: 7 });
    world.apply(Event::Decided(Box::new(decision.clone()))).unwrap();
    decision.evidence = None;
    assert_eq!(*world.incident().subject, decision);
}

/// SLO-4 `hold`: warns, opens nothing.
#[test]
fn hold_warns_and_opens_no_incident() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Violation, Some(ViolationAction::Hold));
    assert_eq!(kinds(&world), ["hold"]);
    assert!(world.incidents.is_empty());
}

/// SLO-4 `page`: an incident without a rollback, which ends after as much compliance as a watch asks for.
#[test]
fn page_opens_an_incident_without_a_rollback_and_recovers_by_coverage() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    assert!(world.runs().is_empty());
    assert_eq!(world.pages(), ["P2"]);
    assert_eq!(world.notices(|it| matches!(it, NoticeKind::Incident))[0].command, None);
    world.judged(Verdict::Ok, None);
    assert!(world.target.incident.is_some());
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    world.judged(Verdict::Ok, None);
    assert!(world.target.incident.is_some(), "a violation starts the coverage anew");
    world.judged(Verdict::Warn, None);
    assert_eq!(world.target.incident, None);
    assert_eq!(world.incident_texts(), 1);
}

/// DE-4: a paging incident that turns into one that asks for a rollback gets it, once.
#[test]
fn a_rollback_violation_in_a_paging_incident_starts_its_first_rollback() {
    let mut world = World::in_phase("B");
    world.judged(Verdict::Violation, Some(ViolationAction::Page));
    world.violation();
    assert_eq!(world.incidents.len(), 1);
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    assert_eq!(world.incident().status, IncidentStatus::Open(Mitigation::RollingBack));
}

/// ES-2, SLO-8: exhausted retries page at once, even if late data alone would only hold.
#[test]
fn exhausted_retries_page_at_once() {
    let mut world = World::in_phase("B");
    world.advance(minutes(15));
    let mut decision = world.decision(Verdict::Violation, Some(ViolationAction::Hold));
    decision.cause = Cause::RetryExhausted;
    decision.violated.clear();
    decision.metrics.clear();
    world.apply(Event::Decided(Box::new(decision))).unwrap();
    assert_eq!(world.pages(), ["P2"]);
    assert_eq!(world.incident().metric, "retry_exhausted");
}

/// SLO-7, SLO-8: missing data is a violation like any other.
#[test]
fn a_missing_batch_rolls_back() {
    let mut world = World::in_phase("B");
    world.advance(minutes(20));
    let mut decision = world.decision(Verdict::Violation, Some(ViolationAction::Rollback));
    decision.cause = Cause::CollectionDelayed;
    decision.violated = vec!["collector_latency".to_owned()];
    world.apply(Event::Decided(Box::new(decision))).unwrap();
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    assert_eq!(world.incident().metric, "collector_latency");
}
