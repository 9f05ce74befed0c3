//! What pages and is not the feature's doing: JU-4, JU-8, JU-17, PH-9.

use std::sync::Arc;

use shared_types::decision::{Cause, Direction, MetricVerdict, Stale, StayOver, ViolationAction};
use shared_types::{Decision, Verdict};

use super::world::{World, gate, minutes, phase};
use crate::gate::metric::Metric;
use crate::gate::metric::count::Count;
use crate::kinds::Chosen;
use crate::policy::{DisplayUnit, MetricPolicy};
use crate::rollout::promotion::blockers;
use crate::rollout::{Blocker, Effect, Event, IncidentStatus, NoticeKind};

fn judged(world: &mut World, change: impl FnOnce(&mut Decision)) {
    world.advance(minutes(15));
    let mut decision = world.decision(Verdict::Insufficient, None);
    change(&mut decision);
    world.apply(Event::Decided(Box::new(decision))).unwrap();
}

/// The fourth window in a row that did not come.
fn blind(decision: &mut Decision) {
    decision.verdict = Verdict::Violation;
    decision.cause = Cause::CollectionDelayed;
    decision.action = Some(ViolationAction::Page);
}

fn warnings(world: &World) -> usize {
    world.notices(|kind| *kind == NoticeKind::Warn).len()
}

fn codes(world: &World) -> Vec<&'static str> {
    blockers(&world.target, &world.terms()).iter().map(Blocker::code).collect()
}

/// JU-8, JU-17: nobody sees: one page at the priority of an escalation, no rollback, and nothing to explain; it closes with
/// the next compliant window and stands in nobody's way after it.
#[test]
fn a_blind_guard_pages_once_and_moves_nothing() {
    let mut world = World::in_phase("B");
    judged(&mut world, blind);
    judged(&mut world, blind);
    assert_eq!((world.pages(), world.incident_texts()), (vec!["P1"], 1));
    assert!(world.runs().is_empty());
    assert_eq!((world.target.phase.clone(), world.target.alerts), (phase("B"), 0));
    assert!(world.target.incident_notices.is_empty());
    assert!(world.incident().notice && codes(&world).contains(&"incident_open"));
    let id = world.incident().id.clone();
    world.judged(Verdict::Ok, None);
    assert_eq!(world.incidents[&id].status, IncidentStatus::Closed);
    assert!(world.target.evidence_open.is_empty());
    world.advance(minutes(60 * 48));
    world.apply(Event::Tick).unwrap();
    assert_eq!(world.incidents[&id].review, None, "no root cause is asked for");
}

/// JU-4: a day of doubt asks a person, once; what is violated meanwhile makes an incident of it.
#[test]
fn a_notice_becomes_an_incident_when_something_is_violated() {
    for (action, rollbacks) in [(ViolationAction::Page, 0), (ViolationAction::Rollback, 1)] {
        let mut world = World::in_phase("B");
        judged(&mut world, |it| (it.verdict, it.action) = (Verdict::Unsure, Some(ViolationAction::Page)));
        assert!(world.incident().notice && world.pages() == ["P2"]);
        world.judged(Verdict::Violation, Some(action));
        let incident = world.incident();
        assert!(!incident.notice && incident.metric == "save_latency_p95");
        assert_eq!((world.runs().len(), world.target.alerts), (rollbacks, 1));
        let asks = |it: &Effect| matches!(it, Effect::WriteRca { prepare: true, .. });
        assert_eq!(
            world.effects.iter().filter(|it| asks(it)).count(),
            1,
            "now there is something to explain"
        );
        assert_eq!(world.incident_texts(), 2);
        assert_eq!(
            world.target.incident_notices.len(),
            1,
            "PH-4: that of the notice was none, the incident's is one"
        );
    }
}

/// JU-17: what a person takes back while a notice is open has a cause like any rollback.
#[test]
fn a_rollback_by_hand_makes_an_incident_of_a_notice() {
    let mut world = World::in_phase("B");
    judged(&mut world, blind);
    world.apply(Event::Rollback { by: "ana".into(), from: phase("B"), reason: "blind".into() }).unwrap();
    assert!(!world.incident().notice);
    assert_eq!(world.target.alerts, 1);
}

/// ES-2: exhausted retries are an incident, not a notice.
#[test]
fn exhausted_retries_are_no_notice() {
    let mut world = World::in_phase("B");
    judged(&mut world, |it| {
        blind(it);
        it.cause = Cause::RetryExhausted;
    });
    assert!(!world.incident().notice);
}

/// JU-4: unsure windows are told once for as long as they last, and nothing moves up on one.
#[test]
fn doubt_is_told_once_and_blocks() {
    let mut world = World::in_phase("A");
    for verdict in [Verdict::Unsure, Verdict::Unsure, Verdict::Ok, Verdict::Unsure] {
        world.judged(verdict, None);
    }
    assert_eq!(warnings(&world), 2);
    assert!(world.incidents.is_empty() && codes(&world).contains(&"unsure"));
    world.judged(Verdict::Ok, None);
    assert!(!codes(&world).contains(&"unsure"));
}

/// PH-9: after more windows without proof than are tolerated nothing moves up, and people are told once.
#[test]
fn old_proof_moves_nothing_up() {
    let mut world = World::in_phase("B");
    let since = world.now;
    for windows in 1..=6_u64 {
        judged(&mut world, |it| {
            let stale = (windows > 3).then_some(Stale { windows, since });
            it.gate = Some(shared_types::decision::GateProgress { stale, ..gate(it.epoch, true) });
        });
        assert_eq!(codes(&world).contains(&"evidence_stale"), windows > 3, "after {windows} windows");
        assert_eq!(warnings(&world), usize::from(windows > 3));
    }
}

/// JU-6: the whole stay has to be within the limit, and the blocker has both figures.
#[test]
fn a_stay_over_its_limit_moves_nothing_up() {
    let mut world = World::in_phase("B");
    judged(&mut world, |it| {
        it.verdict = Verdict::Ok;
        let over =
            StayOver { metric: "error_rate".into(), bad: 12, attempts: 1000, allowed: 0.01, luck: Some(0.3) };
        it.gate =
            Some(shared_types::decision::GateProgress { stay_over: vec![over], ..gate(it.epoch, true) });
    });
    let found = blockers(&world.target, &world.terms());
    let expected = Blocker::StayOverLimit {
        metric: "error_rate".into(),
        bad: 12,
        attempts: 1000,
        observed: "12/1000 (1.2 %)".into(),
        allowed: "1 %".into(),
    };
    assert!(found.contains(&expected), "{found:?}");
}

/// JU-6: of a count the blocker says how many there were in which time, and how many may be in a window.
#[test]
fn a_stay_over_a_count_says_it_in_time() {
    let mut world = World::in_phase("B");
    let (of, window) = ("app.crash".to_owned(), world.policy.collection.window);
    let kind = Chosen(Arc::new(Count { of, direction: Direction::AtMost, window }) as Arc<dyn Metric>);
    let (display, on_violation) = (DisplayUnit::Number, ViolationAction::Rollback);
    world.policy.metrics =
        vec![MetricPolicy { name: "crashes".into(), kind, display, on_violation, control: None }].into();
    judged(&mut world, |it| {
        it.verdict = Verdict::Ok;
        let allowed = 10.0 / 900_000.0;
        let over =
            StayOver { metric: "crashes".into(), bad: 42, attempts: 2_700_000, allowed, luck: Some(0.03) };
        it.gate =
            Some(shared_types::decision::GateProgress { stay_over: vec![over], ..gate(it.epoch, true) });
    });
    let found = blockers(&world.target, &world.terms());
    let told = found.iter().find_map(|it| match it {
        Blocker::StayOverLimit { observed, allowed, .. } => Some((observed.as_str(), allowed.as_str())),
        _ => None,
    });
    assert_eq!(told, Some(("42/45m", "10/15m")));
}

/// What is advisory does not stand among what is unsure.
#[test]
fn what_is_advisory_is_not_named_as_unsure() {
    let mut world = World::in_phase("B");
    judged(&mut world, |it| {
        it.verdict = Verdict::Unsure;
        let advisory = MetricVerdict {
            metric: "retries".into(),
            verdict: Verdict::Unsure,
            on_violation: ViolationAction::Note,
            ..it.metrics[0].clone()
        };
        it.metrics[0].verdict = Verdict::Unsure;
        it.metrics.push(advisory);
    });
    let metrics = vec!["save_latency_p95".to_owned()];
    assert!(blockers(&world.target, &world.terms()).contains(&Blocker::Unsure { metrics }));
}

/// JU-17: a notice that comes while a person's rollback runs has nothing to do with it: it closes with the next compliant window of
/// the phase that was reached, or once nobody is served.
#[test]
fn a_notice_beside_a_persons_rollback_is_not_about_it() {
    for (from, to) in [("B", "A"), ("A", "off")] {
        let mut world = World::in_phase(from);
        let (by, reason) = ("ben".to_owned(), "users complain".to_owned());
        world.apply(Event::Rollback { by, from: phase(from), reason }).unwrap();
        world.start_command();
        judged(&mut world, blind);
        let id = world.incident().id.clone();
        world.succeed_command();
        assert_eq!(world.target.phase, phase(to));
        assert_eq!(world.incidents[&id].rollback, None);
        if to != "off" {
            assert!(world.incidents[&id].status.watch().is_none());
            world.advance(minutes(15));
            world.judged(Verdict::Ok, None);
        }
        assert_eq!(world.incidents[&id].status, IncidentStatus::Closed, "{from}");
    }
}
