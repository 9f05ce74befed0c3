//! GO-4: what the audit log says of an event.

use serde_json::{Value, json};

use super::world::World;
use crate::rollout::{Aggregate, Effect, Event, Step, audit};
use uuid::Uuid;

/// GO-4: a row is left out only where nothing has changed and the event is not kept for itself.
#[test]
fn there_is_a_row_where_something_has_changed() {
    fn check(what: &str, kept: bool, expected: Option<&Value>, change: fn(&mut Step)) {
        let world = World::in_phase("B");
        let before = Aggregate { target: world.target.clone(), incident: None };
        let mut step = Step::from(&before);
        change(&mut step);
        let changed = audit::followed(&before, &step, kept).map(|it| it["changed"].clone());
        assert_eq!(changed.as_ref(), expected, "{what}, kept: {kept}");
    }
    let (none, epoch) = (json!({}), json!({ "epoch": [2, 3] }));
    for kept in [false, true] {
        check("nothing", kept, kept.then_some(&none), |_| {});
        check("the epoch", kept, Some(&epoch), |it| it.target.epoch += 1);
        check("what no field tells", kept, Some(&none), |it| it.target.alerts += 1);
        check("an effect", kept, Some(&none), |it| it.effects.push(Effect::CancelRun(Uuid::nil())));
    }
}

/// GO-4: why a command failed is told as it was said, and cut where it is long.
#[test]
fn a_reason_is_told_and_cut() {
    for said in ["exit 1".to_owned(), "x".repeat(100_000)] {
        let failed = Event::TransitionFailed { transition: Uuid::nil(), reason: said.clone() };
        let told = audit::told(&failed).detail["reason"].as_str().unwrap().to_owned();
        assert!(
            told.len() >= said.len().min(100) && told.len() < 10_000 && said.starts_with(&told),
            "{told}"
        );
    }
}
