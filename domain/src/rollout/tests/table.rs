//! Every stage against every event: what is applied and what is refused, in one table.

use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use uuid::Uuid;

use super::world::{World, phase};
use crate::executors::Report;
use crate::rollout::event::{Expected, Looked};
use crate::rollout::{Aggregate, Event, Reason, audit};

fn world_at(stage: &str) -> World {
    let mut world = World::in_phase("B");
    world.policy.phases[1].advance.approvals = vec!["sre".into()];
    world.approve("ben", "sre").unwrap();
    match stage {
        "idle" => {}
        "promoting" | "superseded" => {
            world.policy.phases[1].advance.critical_alerts = None;
            world.ripen();
            world.apply(Event::Promote { by: "ana".into(), from: None }).unwrap();
            if stage == "superseded" {
                world.start_command();
                world.violation();
            }
        }
        "waiting" => {
            world.freeze();
            world.violation();
        }
        "rolling_back" => drop(world.violation()),
        "rollback_failed" => {
            world.violation();
            world.fail_command();
        }
        other => panic!("no stage {other}"),
    }
    assert_eq!(world.target.stage.name(), stage);
    world
}

fn event(name: &str, world: &World) -> Event {
    let stage = &world.target.stage;
    let transition = stage.transition().map(|_| world.running().id).unwrap_or_default();
    event_of(name, world, transition)
}

fn event_of(name: &str, world: &World, transition: Uuid) -> Event {
    let report = Report { duration_ms: 1, ..Report::default() };
    match name {
        "decided" => {
            Event::Decided(Box::new(world.decision(Verdict::Violation, Some(ViolationAction::Rollback))))
        }
        "start" => Event::Start { by: "ana".into(), obstacles: Vec::new() },
        "promote" => Event::Promote { by: "ana".into(), from: None },
        "approve" => Event::Approve {
            by: "eve".into(),
            role: "sre".into(),
            comment: None,
            expected: Expected::default(),
        },
        "withdraw" => Event::Withdraw { by: "ben".into(), role: "sre".into() },
        "freeze" => Event::Freeze { by: "ana".into(), reason: "r".into() },
        "unfreeze" => Event::Unfreeze { by: "ana".into(), reason: None },
        "abort" => Event::Abort { by: "ana".into(), reason: "r".into() },
        "served_read" => {
            Event::ServedRead { epoch: world.target.epoch, looked: Looked::Other { served: "50%".into() } }
        }
        "rollback" => Event::Rollback { by: "ana".into(), from: phase("B"), reason: "r".into() },
        "transition_started" => Event::TransitionStarted { transition, attempt: 1 },
        "transition_attempt_failed" => {
            Event::TransitionAttemptFailed { transition, reason: "x".into(), next: world.now }
        }
        "transition_succeeded" => Event::TransitionSucceeded { transition, report },
        "transition_failed" => Event::TransitionFailed { transition, reason: "x".into() },
        "transition_skipped" => Event::TransitionSkipped { transition },
        "transition_retried" => Event::TransitionRetried { transition, by: "ana".into() },
        "policy_changed" => Event::PolicyChanged,
        "tick" => Event::Tick,
        other => panic!("no event {other}"),
    }
}

/// RB-3: what is heard of a transition that is not the one under way is refused, in every stage.
#[test]
fn no_stage_hears_of_another_transition() {
    for stage in ["idle", "promoting", "superseded", "waiting", "rolling_back", "rollback_failed"] {
        for heard in ["started", "attempt_failed", "succeeded", "failed", "skipped", "retried"] {
            let mut world = world_at(stage);
            let before = world.target.clone();
            let event = event_of(&format!("transition_{heard}"), &world, Uuid::from_u128(u128::MAX));
            let refusal = world.apply(event).unwrap_err();
            assert_eq!(refusal.reason(), Reason::Superseded, "{stage} / {heard}");
            assert_eq!(world.target, before, "{stage} / {heard}");
        }
    }
}

/// RB-3, PH-6, GO-4: `-` is a rejection that changes nothing; otherwise the stage reached.
#[test]
fn every_stage_answers_every_event_as_the_table_says() {
    let stages = ["idle", "promoting", "superseded", "waiting", "rolling_back", "rollback_failed"];
    let back = "rolling_back";
    let table: [(&str, [&str; 6]); 18] = [
        ("decided", [back, back, "superseded", "waiting", back, "rollback_failed"]),
        ("start", ["-", "-", "-", "-", "-", "-"]),
        ("promote", ["-", "-", "-", "-", "-", "-"]),
        ("approve", ["idle", "-", "-", "-", "-", "-"]),
        ("withdraw", ["idle", "-", "-", "-", "-", "-"]),
        ("freeze", ["idle", "idle", "superseded", "waiting", "waiting", "rollback_failed"]),
        ("unfreeze", ["idle", "promoting", "superseded", back, back, "rollback_failed"]),
        ("rollback", [back, back, "-", back, "-", back]),
        ("abort", [back, back, "superseded", back, back, back]),
        ("transition_started", ["-", "promoting", "-", "-", back, "-"]),
        ("transition_attempt_failed", ["-", "promoting", back, "-", back, "-"]),
        ("transition_succeeded", ["-", "idle", back, "-", "idle", "-"]),
        ("transition_failed", ["-", "idle", back, "-", "rollback_failed", "-"]),
        ("transition_skipped", ["-", "-", back, "-", "-", "-"]),
        ("transition_retried", ["-", "-", "-", "-", "-", back]),
        ("served_read", stages),
        ("policy_changed", stages),
        ("tick", stages),
    ];
    for (name, expected) in table {
        for (stage, expected) in stages.into_iter().zip(expected) {
            let mut world = world_at(stage);
            let before = world.target.clone();
            let event = event(name, &world);
            assert_eq!(event.name(), name);
            let told = audit::told(&event);
            assert!(told.action.as_str().contains('.') && told.detail.is_object(), "{told:?}");
            match world.apply(event) {
                Ok(step) => {
                    assert_eq!(step.target.stage.name(), expected, "{stage} / {name}");
                    // GO-4: whatever changes the target is a row.
                    let was = Aggregate { target: before.clone(), incident: step.incident.clone() };
                    assert!(
                        before == step.target || audit::followed(&was, &step, false).is_some(),
                        "{stage} / {name}"
                    );
                }
                Err(rejection) => {
                    assert_eq!("-", expected, "{stage} / {name}: {rejection}");
                    assert_eq!(world.target, before);
                }
            }
        }
    }
}
