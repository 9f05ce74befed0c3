//! What a step wants done becomes rows of the outbox: none is left out, each by its key and on its lane (RB-3, RB-8).

use std::path::Path;

use serde_json::Value;
use shared_types::Verdict;
use uuid::Uuid;

use super::world::{World, phase};
use crate::effects::lower::{LowerContext, Plan, lower, transition_key};
use crate::effects::{NewMessage, RetrySchedule};
use crate::rollout::{Event, Step};
use crate::template::Templates;

pub(super) fn lowered(world: &World, step: Step) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let templates = Templates::load(&root, &world.policy).unwrap();
    let (target, policy, now) = (&world.target.target, &world.policy, world.now);
    lower(&LowerContext { target, policy, templates: &templates, now }, step, 7, Value::Null).unwrap()
}

fn by_hand() -> Event {
    Event::Rollback { by: "ben".into(), from: phase("B"), reason: "users complain".into() }
}

fn commands(plan: &Plan) -> Vec<&NewMessage> {
    plan.messages.iter().filter(|it| it.lane.starts_with("command/")).collect()
}

/// RB-3: the command is one row on the target's own lane, due at once, tried again by the policy's schedule alone.
#[test]
fn a_command_is_a_row_with_the_schedule_of_the_policy() {
    fn check(world: &World, step: Step, subject: &str) {
        let id = world.running().id;
        let plan = lowered(world, step);
        let [row] = commands(&plan)[..] else { panic!("{:?}", plan.messages) };
        assert_eq!((row.dedup_key.as_str(), row.lane.as_str()), (&*transition_key(id), "command/autosave"));
        assert!(row.dedup_key.contains(&id.to_string()));
        assert_eq!((row.due_at, row.subject.as_str()), (world.now, subject));
        let transitions = &world.policy.transitions;
        assert_eq!(row.retry, RetrySchedule::then_dead(transitions.retry.iter().copied()));
        assert_eq!(row.payload["timeout_ms"], u64::try_from(transitions.timeout.as_millis()).unwrap());
        assert_eq!(row.payload["to"], "A");
    }
    let mut world = World::in_phase("B");
    let step = world.violation();
    check(&world, step, "INC-20261122-001");
    let mut world = World::in_phase("B");
    let step = world.apply(by_hand()).unwrap();
    check(&world, step, "autosave");
}

/// RB-3: what is taken back is taken back by the key it was enqueued with.
#[test]
fn a_command_that_is_taken_back_is_named_by_its_key() {
    let mut world = World::in_phase("B");
    world.violation();
    let id = world.running().id;
    let step = world.freeze();
    let plan = lowered(&world, step);
    assert_eq!((plan.cancels.as_slice(), commands(&plan).len()), ([transition_key(id)].as_slice(), 0));
}

/// DE-1: an ok text waits for the dashboard that shows the same; no other does.
#[test]
fn only_an_ok_text_follows_the_dashboard() {
    for (verdict, follows) in [(Verdict::Ok, Value::from(7)), (Verdict::Warn, Value::Null)] {
        let mut world = World::in_phase("B");
        let step = world.judged(verdict, None);
        let plan = lowered(&world, step);
        let texts: Vec<_> =
            plan.messages.iter().filter(|it| it.payload.get("after_dashboard").is_some()).collect();
        assert!(!texts.is_empty(), "{verdict:?}");
        assert!(texts.iter().all(|it| it.payload["after_dashboard"] == follows), "{verdict:?}");
    }
}

/// NO-5: what people were told is kept with the decision it is about; a rollback by hand that failed is about none.
#[test]
fn a_text_is_kept_with_its_decision() {
    fn check(world: &World, step: Step, decision: Option<Uuid>) {
        let plan = lowered(world, step);
        assert!(!plan.notifications.is_empty());
        assert!(plan.notifications.iter().all(|it| it.decision == decision), "{:?}", plan.notifications);
    }
    let mut world = World::in_phase("B");
    let step = world.violation();
    let decision = world.incident().subject.decision_id;
    check(&world, step, Some(decision));
    let mut world = World::in_phase("B");
    world.apply(by_hand()).unwrap();
    let step = world.fail_command();
    check(&world, step, None);
}

/// A row names what it belongs to: the incident, else the decision, else the target.
#[test]
fn a_message_names_what_it_belongs_to() {
    fn check(world: &World, step: Step, expected: &str) {
        let plan = lowered(world, step);
        let messages: Vec<_> = plan.messages.iter().filter(|it| !it.lane.starts_with("directive")).collect();
        assert!(!messages.is_empty());
        assert!(messages.iter().all(|it| it.subject == expected), "{expected}: {messages:?}");
    }
    let mut world = World::in_phase("B");
    let step = world.freeze();
    check(&world, step, "autosave");
    world.unfreeze();
    let step = world.judged(Verdict::Warn, None);
    let decision = world.decision(Verdict::Warn, None).decision_id;
    check(&world, step, &decision.to_string());
    let step = world.violation();
    check(&world, step, "INC-20261122-001");
}
