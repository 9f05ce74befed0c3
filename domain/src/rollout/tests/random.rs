//! Whatever happens in whatever order: the invariants hold (they are checked after every step by the world).

use proptest::prelude::*;
use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use shared_types::incident::IncidentState;
use shared_types::rollout::TransitionState;

use super::world::{World, minutes, phase};
use crate::executors::Report;
use crate::rollout::event::Looked;
use crate::rollout::{Effect, Event, Stage, Transition};

fn happenings() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((0_u8..26, 0_u8..40), 1..60)
}

fn step(world: &mut World, what: u8, pause: u8) {
    world.advance(minutes(pause.into()));
    let id = world.target.stage.transition().map(|_| world.running().id).unwrap_or_default();
    let at = world.now;
    let incident = world.incidents.keys().next_back().cloned();
    let decided = |world: &World, verdict, action| Event::Decided(Box::new(world.decision(verdict, action)));
    let event = match what {
        0 | 1 => decided(world, Verdict::Ok, None),
        2 => decided(world, Verdict::Warn, None),
        3 => decided(world, Verdict::Insufficient, None),
        4 | 5 => decided(world, Verdict::Violation, Some(ViolationAction::Rollback)),
        6 => decided(world, Verdict::Violation, Some(ViolationAction::Page)),
        7 => decided(world, Verdict::Violation, Some(ViolationAction::Hold)),
        8 if world.target.phase.is_off() => Event::Start { by: "ana".into(), obstacles: Vec::new() },
        8 => {
            world.ripen();
            Event::Promote { by: "ana".into(), from: None }
        }
        9 => Event::Rollback { by: "ben".into(), from: world.target.phase.clone(), reason: "r".into() },
        10 => Event::TransitionStarted { transition: id, attempt: 1 },
        11 => {
            let output = String::new();
            let report = Report { duration_ms: 1, detail: output, ..Report::default() };
            Event::TransitionSucceeded { transition: id, report }
        }
        12 => Event::TransitionAttemptFailed { transition: id, reason: "x".into(), next: at },
        13 => Event::TransitionFailed { transition: id, reason: "x".into() },
        14 => Event::TransitionRetried { transition: id, by: "ana".into() },
        15 => Event::Tick,
        16 => Event::Freeze { by: "fay".into(), reason: "r".into() },
        17 => decided(world, Verdict::Unsure, None),
        18 => decided(world, Verdict::Unsure, Some(ViolationAction::Page)),
        19 => Event::ServedRead { epoch: world.target.epoch, looked: Looked::Other { served: "50%".into() } },
        20 => Event::ServedRead { epoch: world.target.epoch, looked: Looked::AsRecorded },
        21 => Event::Acknowledged { by: "hal".into(), at },
        22 => Event::NeighbourAhead { by: "analyzer".into(), epoch: world.target.epoch + 1, sequence: 0 },
        23 => Event::StoreAccepted { by: "ana".into(), reason: "r".into() },
        _ => Event::Unfreeze { by: "gus".into(), reason: None },
    };
    let about = if what == 15 { incident } else { world.target.incident.clone() };
    // A refusal is an answer too.
    let _ = world.apply_to(about, event);
}

/// No faults any more: commands succeed, time passes, batches are compliant. Gives the commands that ran.
fn calm_down(world: &mut World) -> usize {
    world.effects.clear();
    let _ = world.apply(Event::Unfreeze { by: "gus".into(), reason: None });
    let _ = world.apply(Event::ServedRead { epoch: world.target.epoch, looked: Looked::AsRecorded });
    for _ in 0..48 {
        world.advance(minutes(5));
        match world.target.stage.transition().map(|_| world.running().id) {
            Some(_) if world.target.stage.runnable().is_some() => {
                world.start_command();
                world.succeed_command();
            }
            // The budget is spent: a person decides.
            Some(_) if matches!(world.target.stage, Stage::Waiting(_)) => {
                let from = world.target.phase.clone();
                _ = world.apply(Event::Rollback { by: "ben".into(), from, reason: "r".into() });
            }
            // The move up ends, and the rollback behind it may run.
            Some(_) if matches!(world.target.stage, Stage::Superseded { .. }) => _ = world.succeed_command(),
            Some(transition) => _ = world.apply(Event::TransitionRetried { transition, by: "ana".into() }),
            None => {
                let decision = world.decision(Verdict::Ok, None);
                let _ = world.apply(Event::Decided(Box::new(decision)));
            }
        }
        let _ = world.apply(Event::Tick);
    }
    world.runs().len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// RB-1, PH-5: a rollback goes exactly one phase down and never below `off`; nothing moves up while an incident
    /// is open, but for a move whose command had started before one that only pages; and once faults stop, no command is under way and no incident stays open.
    #[test]
    fn moves_are_legal_and_calm_comes_back(happenings in happenings()) {
        let mut world = World::new();
        let order = ["off", "A", "B", "C", "completed"].map(phase);
        let place = |it: &shared_types::PhaseId| order.iter().position(|phase| phase == it).unwrap();
        for (what, pause) in happenings {
            let (from, open) = (place(&world.target.phase), world.target.incident.is_some());
            let running = |it: &Transition| it.state == TransitionState::Running;
            let under_way = matches!(&world.target.stage, Stage::Promoting(it) if running(it));
            step(&mut world, what, pause);
            let went_up = place(&world.target.phase) > from;
            prop_assert!(!(open && went_up) || under_way, "up with an incident open");
            for (from, to) in world.runs() {
                prop_assert_eq!(place(&from).abs_diff(place(&to)), 1);
            }
        }
        calm_down(&mut world);
        prop_assert!(world.target.stage.transition().is_none_or(|_| world.target.stage.runnable().is_none()));
        prop_assert!(world.target.incident.is_none(), "still open: {:?}", world.target);
        prop_assert!(!world.target.rollback_active());
    }
    /// DE-4, PH-6, RB-1: one open incident at most, one phase a move, one command at a time.
    #[test]
    fn the_invariants_hold_in_any_order(happenings in happenings()) {
        let mut world = World::new();
        let order = ["off", "A", "B", "C", "completed"].map(phase);
        for (what, pause) in happenings {
            let (from, epoch) = (world.target.phase.clone(), world.target.epoch);
            let busy = matches!(world.target.stage, Stage::RollingBack(_) | Stage::Superseded { .. });
            world.effects.clear();
            step(&mut world, what, pause);
            let place = |it| order.iter().position(|phase| phase == it).unwrap();
            let moved = place(&from).abs_diff(place(&world.target.phase));
            // OP-3: an acceptance begins epochs anew where it stands.
            if what != 23 {
                prop_assert_eq!(u64::try_from(moved).unwrap(), world.target.epoch - epoch);
            }
            prop_assert!(moved <= 1);
            let runs = world.effects.iter().filter(|it| matches!(it, Effect::Run(_))).count();
            prop_assert!(runs <= 1);
            if runs == 1 && busy {
                // Only what ended or gave way makes room for the next command.
                prop_assert!(matches!(what, 10..=13), "a second command beside a running one");
            }
            let runnable = world.target.stage.runnable().is_some();
            prop_assert!(runs == 0 || runnable);
        }
        // Whatever the state, it survives being stored.
        let text = serde_json::to_string(&world.target).unwrap();
        prop_assert_eq!(serde_json::from_str::<crate::rollout::TargetState>(&text).unwrap(), world.target);
        for incident in world.incidents.values() {
            let text = serde_json::to_string(incident).unwrap();
            prop_assert_eq!(&serde_json::from_str::<crate::rollout::Incident>(&text).unwrap(), incident);
            prop_assert!(incident.closed_at.is_none() || incident.state() == IncidentState::Closed);
        }
    }
}
