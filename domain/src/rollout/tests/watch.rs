//! The recovery watch by evidence (JU-11).

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Binomial, Distribution};
use shared_types::decision::{StayOver, ViolationAction};
use shared_types::incident::IncidentState;
use shared_types::{Decision, Timestamp, Verdict, Window};

use super::world::{World, gate, minutes, phase};
use crate::gate::fixture::{Counts, shipped};
use crate::gate::ledger::{Judged, Rules, decide};
use crate::gate::{CheckedBatch, GateState, Subject, observe_batch};
use crate::policy::JudgeBy;
use crate::rollout::watch::{Watch, WatchEnd};
use crate::rollout::{Event, NoticeKind};

/// A rollback from C to B by evidence has just succeeded.
fn watching() -> World {
    let mut world = World::in_phase("C");
    world.policy.gate.judge = JudgeBy::Evidence;
    world.violation();
    world.finish_command();
    world.effects.clear();
    world
}

/// The next window, and with what odds the stay is over the limit, if it is.
fn window(world: &mut World, verdict: Verdict, over: Option<f64>) {
    window_of(world, verdict, over, ViolationAction::Rollback);
}

fn window_of(world: &mut World, verdict: Verdict, over: Option<f64>, action: ViolationAction) {
    let watched = world.target.directive.as_ref().and_then(|it| it.until);
    world.advance(minutes(if watched.is_some_and(|until| world.now < until) { 5 } else { 15 }));
    let mut decision = world.decision(verdict, (verdict == Verdict::Violation).then_some(action));
    let mut progress = gate(decision.epoch, false);
    progress.stay_over = over
        .map(|luck| {
            let metric = "save_latency_p95".to_owned();
            StayOver { metric, bad: 9, attempts: 600, allowed: 0.01, luck: Some(luck) }
        })
        .into_iter()
        .collect();
    decision.metrics[0].on_violation = action;
    decision.gate = Some(progress);
    world.apply(Event::Decided(Box::new(decision))).unwrap();
}

/// Ticks until nothing is due any more.
fn tick(world: &mut World) {
    while world.target.next_due().is_some_and(|due| due <= world.now) {
        world.apply(Event::Tick).unwrap();
    }
}

fn first(world: &World) -> &crate::rollout::Incident {
    world.incidents.values().next().unwrap()
}

/// JU-11: no violation, and all its windows put together within the limits.
#[test]
fn within_the_limits_is_recovered() {
    let mut world = watching();
    for verdict in [Verdict::Ok, Verdict::Unsure, Verdict::Insufficient, Verdict::Ok, Verdict::Ok] {
        window(&mut world, verdict, Some(0.3));
        assert_eq!(first(&world).state(), IncidentState::Open);
    }
    window(&mut world, Verdict::Warn, None);
    assert_eq!((first(&world).state(), first(&world).unproven), (IncidentState::Recovered, false));
    tick(&mut world);
    assert_eq!((world.pages().len(), world.runs().len()), (0, 0));
}

/// JU-11: while it cannot be told it goes on, and ends with the first window that says all is well.
#[test]
fn doubt_and_too_little_prolong_it() {
    for (verdict, over) in [
        (Verdict::Unsure, None),
        (Verdict::Insufficient, None),
        (Verdict::Warn, Some(0.2)),
        (Verdict::Unsure, Some(0.06)),
    ] {
        let mut world = watching();
        (0..6).for_each(|_| window(&mut world, verdict, over));
        assert_eq!(first(&world).state(), IncidentState::Open, "{verdict:?} {over:?}");
        window(&mut world, Verdict::Ok, None);
        assert_eq!((first(&world).state(), first(&world).unproven), (IncidentState::Recovered, false));
    }
}

/// JU-11, JU-17: at twice its time what is neither proven nor refuted is recovered, marked, and paged as a notice; no step down
/// is taken. The notice closes with the next compliant window and counts nowhere.
#[test]
fn what_stays_undecided_is_recovered_and_not_proven() {
    for (verdict, over) in
        [(Verdict::Unsure, Some(0.06)), (Verdict::Insufficient, None), (Verdict::Ok, Some(0.3))]
    {
        let mut world = watching();
        (0..7).for_each(|_| window(&mut world, verdict, over));
        assert_eq!(first(&world).state(), IncidentState::Open, "{verdict:?}");
        window(&mut world, verdict, over);
        assert_eq!((first(&world).state(), first(&world).unproven), (IncidentState::Recovered, true));
        tick(&mut world);
        assert_eq!((world.pages(), world.runs().len()), (vec!["P2"], 0));
        let told = world.notices(|kind| matches!(kind, NoticeKind::Unproven { .. }));
        assert_eq!((told.len(), world.incidents.len()), (1, 2));
        let notice = world.incident();
        assert!(notice.notice && Some(&notice.id) == world.target.incident.as_ref());
        assert_eq!(told[0].kind, NoticeKind::Unproven { incident: first(&world).id.clone() });
        assert_eq!((world.target.alerts, world.incident_texts()), (0, 0));
        window(&mut world, Verdict::Ok, None);
        assert_eq!(world.incident().state(), IncidentState::Closed);
        assert_eq!(first(&world).state(), IncidentState::Recovered, "its cause is still asked for");
        assert_eq!(world.target.phase, phase("B"));
    }
}

/// JU-11: over a limit by more than chance, without one window that violated.
#[test]
fn beyond_chance_is_unrecovered() {
    let mut world = watching();
    (0..5).for_each(|_| window(&mut world, Verdict::Unsure, Some(0.01)));
    assert!(world.runs().is_empty(), "nothing before its end");
    window(&mut world, Verdict::Unsure, Some(0.049));
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
    assert_eq!(first(&world).subject.violated, ["save_latency_p95"], "its texts name what is over");
    assert_eq!(world.incidents.len(), 1);
    assert!(world.hops.contains(&"watch_failed".to_owned()));

    let mut paged = watching();
    (0..6).for_each(|_| window_of(&mut paged, Verdict::Unsure, Some(0.01), ViolationAction::Page));
    assert_eq!((paged.runs().len(), first(&paged).state()), (0, IncidentState::Open));
    let mut held = watching();
    (0..6).for_each(|_| window_of(&mut held, Verdict::Ok, Some(0.01), ViolationAction::Hold));
    assert_eq!(first(&held).state(), IncidentState::Recovered, "a hold neither confirms nor refutes");
}

/// RB-6, JU-11: a violation is one at the end, whatever came after it.
#[test]
fn a_violation_is_unrecovered_at_the_end() {
    let mut world = watching();
    window(&mut world, Verdict::Violation, None);
    (0..4).for_each(|_| window(&mut world, Verdict::Ok, None));
    assert!(world.runs().is_empty());
    window(&mut world, Verdict::Ok, None);
    assert_eq!(world.runs(), [(phase("B"), phase("A"))]);
}

/// JU-8, JU-11: that nobody was heard is not the version's doing, unless the policy takes it back when blind.
#[test]
fn a_watch_that_hears_nothing_takes_nothing_back() {
    let unheard = |blind| {
        let mut world = watching();
        world.policy.gate.gaps.blind = blind;
        world.apply(Event::Acknowledged { by: "ana".into(), at: world.now }).unwrap();
        let start = world.now;
        world.now = world.incident().next_due().unwrap();
        assert!(world.now >= start.plus(minutes(60 + 15)));
        world.apply(Event::Tick).unwrap();
        tick(&mut world);
        world
    };
    let blind = unheard(ViolationAction::Page);
    assert_eq!((blind.runs().len(), blind.pages()), (0, vec!["P1"]));
    assert!(first(&blind).unproven && blind.incident().notice);
    assert_eq!(unheard(ViolationAction::Rollback).runs(), [(phase("B"), phase("A"))]);
}

/// JU-11: what a pending page is about is over once something else is.
#[test]
fn a_new_incident_makes_the_notice_needless() {
    let mut world = watching();
    (0..8).for_each(|_| window(&mut world, Verdict::Insufficient, None));
    assert!(world.target.unproven.is_some());
    window(&mut world, Verdict::Violation, None);
    tick(&mut world);
    assert!(world.target.unproven.is_none());
    assert_eq!((world.incidents.len(), world.incident().notice), (2, false));
}

/// One watch of a version with that error rate, in a phase whose limit is 1 %.
fn watched(seed: u64, saves: u64, rate: f64) -> WatchEnd {
    let policy = shipped();
    let phase = &policy.phases[0];
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut state = GateState::unheard(crate::gate::fixture::autosave());
    let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
    let mut watch = Watch::begin(&policy, 1, start);
    let mut at = start;
    loop {
        let length = if at < watch.until { minutes(5) } else { minutes(15) };
        let window = Window { start: at, end: at.plus(length) };
        at = window.end;
        let attempts = saves * length.as_secs() / 900;
        let errors = Binomial::new(attempts, rate).unwrap().sample(&mut rng);
        let batch = Counts { window, completed: attempts - errors, errors, ..Counts::default() }.batch();
        let decision = judged(&mut state, &policy, phase, batch);
        if let Some(end) = watch.observe(&decision) {
            return end;
        }
    }
}

fn judged(
    state: &mut GateState,
    policy: &crate::policy::TargetPolicy,
    phase: &crate::policy::PhasePolicy,
    batch: shared_types::Batch,
) -> Decision {
    let checked = CheckedBatch::check(batch, policy).unwrap();
    let observed = observe_batch(&checked, &[], policy, phase);
    let subject = Subject::of(checked.batch());
    let at = subject.window.end.plus(std::time::Duration::from_secs(31));
    let judged = Judged { subject, observed, batch_hash: None, elapsed_ms: None, sequence: 1, at };
    decide(state, Rules { version: "v", policy, phase }, judged)
}

/// JU-11: a healthy version with little traffic does not fail its watch, and one at twice the limit mostly does.
#[test]
fn a_healthy_version_passes_its_watch() {
    const SEEDS: u64 = 600;
    let ends = |saves, rate| {
        let ends: Vec<_> = (0..SEEDS).map(|seed| watched(seed, saves, rate)).collect();
        let share = |end| ends.iter().filter(|it| **it == end).count() as f64 / SEEDS as f64;
        [WatchEnd::Recovered, WatchEnd::Unproven, WatchEnd::Unrecovered].map(share)
    };
    for saves in [150, 200] {
        let [recovered, _, unrecovered] = ends(saves, 0.005);
        assert!(unrecovered < 0.01, "{saves}: {unrecovered} of healthy watches fail");
        assert!(recovered > 0.9, "{saves}: {recovered} of healthy watches are recovered");
        let [recovered, _, unrecovered] = ends(saves, 0.02);
        assert!(unrecovered > 0.5, "{saves}: {unrecovered} at twice the limit fail");
        assert!(recovered < 0.2, "{saves}: {recovered} at twice the limit are recovered");
    }
}
