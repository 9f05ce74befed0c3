//! NO-9: a storm is one event.

use shared_types::rollout::HoldReason;
use shared_types::story::Hop;
use shared_types::{IncidentId, TargetName};

use super::lowering::lowered;
use super::world::{World, minutes, phase};
use crate::effects::notification::NotificationKind;
use crate::policy::OnStorm;
use crate::rollout::storm::{Storm, StormBegun};
use crate::rollout::{Effect, Event, NoticeKind};

const KEY: &str = "phasegate/billing/INC-20261122-011/1763805600000";

fn storm(begun_by: Option<&str>) -> Storm {
    let names = ["billing", "search", "billing"];
    Storm {
        begun_by: begun_by.map(|id| StormBegun { incident: id.parse().unwrap(), page_key: KEY.to_owned() }),
        told: vec![],
        before: 12,
        targets: names.map(|it| TargetName::parse(it).unwrap()).to_vec(),
    }
}

#[test]
fn an_incident_of_a_storm_shares_the_page_of_the_one_that_began_it() {
    let began: IncidentId = "INC-20261122-011".parse().unwrap();
    let mut world = World::in_phase("B");
    world.storm = Some(storm(Some(began.as_str())));
    let hops = world.violation().timeline;
    assert_eq!(world.incident().dedup_key(), KEY);
    assert_eq!(world.incident().storm.as_ref().unwrap().begun_by, began);
    assert!(hops.iter().any(|it| it.hop == Hop::StormJoined { begun_by: began.clone(), before: 12 }));
    assert_eq!(world.runs().len(), 1, "its rollback goes on");

    let mut first = World::in_phase("B");
    first.storm = Some(storm(None));
    first.violation();
    assert_eq!(first.incident().storm.as_ref().unwrap().begun_by, first.incident().id);
    assert!(first.incident().dedup_key().starts_with("phasegate/autosave/"), "the page is its own");
}

/// Neither time nor an unfreeze starts it; a person does.
#[test]
fn a_storm_holds_rollbacks_where_the_policy_says_so() {
    let mut world = World::in_phase("B");
    world.policy.transitions.storm = OnStorm::Hold;
    world.storm = Some(storm(None));
    world.violation();
    assert_eq!((world.waits_for(), world.runs().len()), (Some(HoldReason::Storm), 0));
    assert!(world.target.directive.as_ref().is_some_and(|it| it.collect), "what is served is measured on");
    assert_eq!(world.pages(), ["P2", "P1"], "a person is asked at once");
    assert_eq!(world.notices(|it| matches!(it, NoticeKind::RollbackWaiting)).len(), 1);
    world.storm = None;
    world.freeze();
    world.unfreeze();
    world.advance(minutes(24 * 60));
    world.apply(Event::Tick).unwrap();
    assert_eq!((world.waits_for(), world.runs().len()), (Some(HoldReason::Storm), 0));
    let by_hand = Event::Rollback { by: "ben".into(), from: phase("B"), reason: "it is real".into() };
    world.apply(by_hand).unwrap();
    assert_eq!(world.runs().len(), 1);
}

/// What is none is not held, whatever the policy says of storms.
#[test]
fn without_a_storm_nothing_is_held() {
    let mut world = World::in_phase("B");
    world.policy.transitions.storm = OnStorm::Hold;
    world.violation();
    assert_eq!((world.waits_for(), world.runs().len()), (None, 1));
    assert!(world.effects.iter().any(|it| matches!(it, Effect::Page { .. })));
}

/// RB-4: somebody has to act on a rollback that waits for something else than the storm, so its page says that, not the storm.
#[test]
fn a_rollback_that_waits_for_its_budget_is_paged_by_itself() {
    let mut world = World::in_phase("B");
    world.policy.transitions.budget.automatic_rollbacks = 1;
    world.target.automatic_rollbacks.push(world.now);
    world.storm = Some(storm(None));
    let step = world.violation();
    assert_eq!(world.waits_for(), Some(HoldReason::Budget));
    let plan = lowered(&world, step);
    let pages = plan.notifications.iter().filter(|it| it.kind == NotificationKind::Page);
    let [first, raised] = &pages.map(|it| it.text.as_str()).collect::<Vec<_>>()[..] else { panic!() };
    assert!(first.contains("Storm: 13 incidents"), "{first}");
    assert!(raised.contains("The rollback waits: the budget"), "{raised}");
}
