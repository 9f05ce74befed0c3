//! Incidents in the forms that older replicas read (OP-6).

use serde_json::{Value, json};
use shared_types::Verdict;
use shared_types::decision::ViolationAction;
use shared_types::rollout::TransitionState;

use super::world::{World, phase};
use crate::rollout::{Event, Incident, NewestRollback};
use crate::stored::{Document as _, read, read_value, write};

/// The newest incident in a form, without its number.
fn written(world: &World, form: u32) -> Value {
    serde_json::from_str(&write(world.incident(), form).unwrap()).unwrap()
}

/// Every place at which an incident's rollback can stand.
fn journey() -> Vec<(&'static str, World)> {
    let at = |name, steps: &dyn Fn(&mut World)| {
        let mut world = World::in_phase("C");
        steps(&mut world);
        (name, world)
    };
    vec![
        at("paged", &|world| drop(world.judged(Verdict::Violation, Some(ViolationAction::Page)))),
        at("asked", &|world| drop(world.violation())),
        at("running", &|world| {
            world.violation();
            world.start_command();
        }),
        at("waiting", &|world| {
            world.freeze();
            world.violation();
        }),
        at("failed", &|world| {
            world.violation();
            world.fail_command();
        }),
        at("retried", &|world| {
            world.violation();
            world.fail_command();
            let transition = world.running().id;
            world.apply(Event::TransitionRetried { transition, by: "ana".into() }).unwrap();
        }),
        at("ended", &|world| {
            world.violation();
            world.finish_command();
        }),
        at("again", &|world| {
            world.violation();
            world.finish_command();
            let (by, from, reason) = ("ben".into(), phase("B"), "still bad".into());
            world.apply(Event::Rollback { by, from, reason }).unwrap();
        }),
    ]
}

/// OP-6: what an older replica is given is read back as what it was, in both older forms.
#[test]
fn an_incident_goes_to_an_older_form_and_back() {
    for (name, world) in journey() {
        for form in 1..=Incident::VERSION {
            let kept = write(world.incident(), form).unwrap();
            assert_eq!(&read::<Incident>(&kept).unwrap(), world.incident(), "{name} in form {form}");
        }
    }
}

/// OP-6: the release before brings its copy up to date by the transition's id, and says the same phase and command until it
/// did; a rollback that has ended it gets whole.
#[test]
fn the_release_before_finds_the_rollback_it_knows() {
    for (name, world) in journey().into_iter().skip(1) {
        let copy = &written(&world, 2)["rollback"];
        let kept = world.rollback().unwrap();
        assert_eq!(copy["id"], json!(kept.id), "{name}");
        assert_eq!((&copy["from"], &copy["human"]), (&json!(kept.from), &json!(kept.human)), "{name}");
        let ended = kept.state == TransitionState::Succeeded;
        let whole = *copy == serde_json::to_value(kept).unwrap();
        assert_eq!(whole, ended, "{name}: {copy}");
    }
}

/// OP-6: of what the release before kept the target has what is not over; the incident what is.
#[test]
fn a_copy_of_the_release_before_becomes_a_reference_or_the_record() {
    let (_, world) = journey().into_iter().find(|(name, _)| *name == "ended").unwrap();
    let mut kept = written(&world, 2);
    for (state, ended) in
        [("waiting", false), ("requested", false), ("running", false), ("failed", false), ("succeeded", true)]
    {
        kept["rollback"]["state"] = json!(state);
        let read: Incident = read_value(kept.clone()).unwrap();
        assert_eq!(matches!(read.rollback, Some(NewestRollback::Ended(_))), ended, "{state}");
    }
    // An incident that is over has none under way, whatever its last copy says.
    kept["stand"] = json!("recovered");
    kept["rollback"]["state"] = json!("failed");
    let read: Incident = read_value(kept.clone()).unwrap();
    assert!(matches!(read.rollback, Some(NewestRollback::Ended(_))));
    kept["rollback"] = Value::Null;
    assert_eq!(read_value::<Incident>(kept.clone()).unwrap().rollback, None);
    kept["stand"] = json!({ "open": "rolling_back" });
    kept["rollback"] = json!({ "id": 1 });
    assert!(read_value::<Incident>(kept).unwrap_err().to_string().contains("no from"));
}
