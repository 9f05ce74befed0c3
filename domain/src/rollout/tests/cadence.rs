//! What the collector is told of a window that the policy has changed.

use super::world::{World, minutes};
use crate::rollout::{Effect, Event};

/// CO-6, PO-2: another window is told once, under a new number, for the same stay; a recovery watch keeps its cadence.
#[test]
fn a_changed_window_is_told_once() {
    fn check(what: &str, world: &mut World, window_minutes: u64, told: bool) {
        world.policy.collection.window = minutes(window_minutes);
        let before = world.target.directive.clone().unwrap();
        let step = world.apply(Event::PolicyChanged).unwrap();
        let mut expected = before;
        if told {
            expected.sequence += 1;
            expected.cadence_ms = window_minutes * 60_000;
        }
        assert_eq!(world.target.directive.as_ref(), Some(&expected), "{what}");
        let effects: Vec<_> = told.then_some(Effect::Direct(expected)).into_iter().collect();
        assert_eq!(step.effects, effects, "{what}");
    }
    let mut world = World::in_phase("B");
    check("the same window", &mut world, 15, false);
    check("another window", &mut world, 30, true);
    check("it is known now", &mut world, 30, false);
    world.violation();
    world.finish_command();
    check("a recovery watch", &mut world, 20, false);
    check("another one in a recovery watch", &mut world, 15, false);
}
