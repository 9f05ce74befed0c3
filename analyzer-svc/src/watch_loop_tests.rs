//! Silence is heard: once a window, across restarts, and not where it is right (SLO-7).

use shared_types::collector_event::CollectorEventKind;
use shared_types::decision::Cause;
use shared_types::{Verdict, Window};

use super::*;
use crate::testing::{World, on_each_engine};
use domain::gate::fixture::{Counts, WINDOW, window};

const DELAYED_AFTER: Duration = Duration::from_secs(300);

fn healthy(n: u32) -> Counts {
    Counts { window: window(n), ..Counts::default() }
}

async fn raised(world: &World, watch: &WatchLoop) -> Vec<(String, u64)> {
    let decisions = watch.tick().await.unwrap();
    for decision in &decisions {
        assert_eq!((decision.cause, decision.verdict), (Cause::CollectionDelayed, Verdict::Violation));
        assert!(decision.rollback_required);
    }
    assert_eq!(watch.tick().await.unwrap(), [], "a second look at the same time finds nothing");
    assert!(world.waiting().await > 0);
    decisions.into_iter().map(|decision| (decision.window.to_string(), decision.epoch)).collect()
}

fn due(n: u32) -> Timestamp {
    window(n).end.plus(DELAYED_AFTER)
}

/// SLO-7: 5 min after the window's end, once a window, window after window.
#[tokio::test]
async fn missing_batch_is_raised_once_a_window() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        let watch = world.watch();
        world.batch(&healthy(0)).await;
        world.clock.set(Timestamp::from_millis(due(1).as_millis() - 1));
        assert_eq!(watch.tick().await.unwrap(), []);
        world.clock.set(due(1));
        assert_eq!(raised(&world, &watch).await, [(window(1).to_string(), 1)]);
        let elapsed = world.decisions().await[1].metrics[3].observed;
        assert_eq!(elapsed, Some(300.0));
        world.clock.set(due(3));
        assert_eq!(raised(&world, &watch).await, [(window(2).to_string(), 1), (window(3).to_string(), 1)]);
        world.batch(&healthy(4)).await;
        world.clock.set(due(4));
        assert_eq!(watch.tick().await.unwrap(), []);
    })
    .await;
}

/// SLO-7: what is due stands in the store; a restarted analyzer raises it, after it has listened for a while.
#[tokio::test]
async fn watch_survives_a_restart_and_listens_first() {
    let world = World::in_memory().await;
    world.batch(&healthy(0)).await;
    world.clock.set(due(2));
    let restarted = world.watch();
    assert_eq!(restarted.tick().await.unwrap(), [], "its own downtime is not the collector's");
    world.send(&healthy(1)).await.unwrap();
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(restarted.tick().await.unwrap(), []);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(raised(&world, &restarted).await, [(window(2).to_string(), 1)]);
}

/// Two replicas watch the same targets: one decision.
#[tokio::test]
async fn two_watches_raise_one_decision() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        let (one, other) = (world.watch(), world.watch());
        world.batch(&healthy(0)).await;
        world.clock.set(due(1));
        let (one, other) = tokio::join!(one.tick(), other.tick());
        assert_eq!(one.unwrap().len() + other.unwrap().len(), 1);
        assert_eq!((world.decisions().await.len(), world.waiting().await), (2, 2));
    })
    .await;
}

/// OP-4: an epoch that nobody was told silences nothing, whether the reporter can be asked or not; one that the reporter
/// has begun is believed at once.
#[tokio::test]
async fn an_epoch_that_nobody_was_told_does_not_silence_the_watch() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        let watch = world.watch();
        world.batch(&healthy(0)).await;
        for asked in [false, true] {
            if asked {
                world.directs("A", 1, true);
            }
            for epoch in [u64::MAX >> 1, 1_000_000, if asked { 2 } else { 1002 }] {
                let forged = Counts { epoch, window: window(0), ..Counts::default() };
                let forged = Counts {
                    window: Window { start: window(0).start.plus(WINDOW / 3), ..forged.window },
                    ..forged
                };
                let refused = world.send(&forged).await;
                assert!(matches!(refused, Err(IntakeError::Untold { .. })), "{refused:?}");
                let alarm = world.alarm(CollectorEventKind::RetryExhausted, window(0), epoch).await;
                assert!(matches!(alarm, Err(IntakeError::Untold { .. })), "{alarm:?}");
            }
        }
        world.clock.set(due(1));
        assert_eq!(raised(&world, &watch).await, [(window(1).to_string(), 1)]);
        world.directs("A", 40, true);
        world.batch(&Counts { epoch: 40, ..healthy(2) }).await;
        assert_eq!(world.state().await.newest_epoch(), Some(40));
        // Late ones of older epochs stay welcome.
        world.batch(&Counts { epoch: 1, ..healthy(1) }).await;
    })
    .await;
}

/// A rollout that ended is not missed, one that is held back is waited for.
#[tokio::test]
async fn silence_the_reporter_wants_is_not_raised() {
    let world = World::in_memory().await;
    let watch = world.watch();
    world.batch(&healthy(0)).await;
    world.directs("A", 1, false);
    world.clock.set(due(1));
    assert_eq!(watch.tick().await.unwrap(), []);
    assert_eq!(world.state().await.watch.unwrap().deadline, due(1).plus(DELAYED_AFTER));

    world.directs("off", 2, false);
    world.clock.advance(DELAYED_AFTER);
    assert_eq!(watch.tick().await.unwrap(), []);
    assert_eq!(world.state().await.watch, None);
    world.clock.set(due(50));
    assert_eq!(watch.tick().await.unwrap(), []);
    assert_eq!(world.decisions().await.len(), 1);
}

/// SLO-7: a collector that never sends anything is heard by the directive that told it to.
#[tokio::test]
async fn collector_that_never_starts_is_heard() {
    let world = World::in_memory().await;
    let watch = world.watch();
    watch.adopt().await.unwrap();
    assert_eq!(world.state().await.watch, None);
    world.directs("A", 1, true);
    for _ in 0..2 {
        watch.adopt().await.unwrap();
    }
    let expected = world.state().await.watch.unwrap();
    assert_eq!(expected.window, window(1));
    world.clock.set(expected.deadline);
    assert_eq!(raised(&world, &watch).await, [(window(1).to_string(), 1)]);
}

/// OP-3: a reporter that knows more shows a store that was put back; what was judged once is not missing.
#[tokio::test]
async fn a_store_that_is_younger_than_what_the_reporter_knows_is_told() {
    on_each_engine(|db| async move {
        let world = World::new(db);
        let watch = world.watch();
        world.batch(&healthy(0)).await;
        world.directs("A", 1, true);
        for (epoch, through) in [(1, None), (1, Some(window(0))), (2, None)] {
            world.was_told(epoch, through);
            watch.adopt().await.unwrap();
            assert_eq!(watch.past(), CheckState::Ok, "{epoch} {through:?}");
        }
        world.was_told(1, Some(window(2)));
        watch.adopt().await.unwrap();
        let CheckState::Degraded(told) = watch.past() else { panic!("{:?}", watch.past()) };
        assert!(told.contains(&window(2).to_string()) && told.contains(&window(0).to_string()), "{told}");

        world.clock.set(due(2));
        assert_eq!(watch.tick().await.unwrap(), []);
        world.clock.set(due(3));
        assert_eq!(raised(&world, &watch).await, [(window(3).to_string(), 1)]);
        world.batch(&healthy(4)).await;
        watch.adopt().await.unwrap();
        assert_eq!(watch.past(), CheckState::Ok);
    })
    .await;
}

/// PH-8: after a transition silence is raised in the new epoch, where it counts.
#[tokio::test]
async fn collector_that_dies_at_a_transition_is_heard_in_the_new_epoch() {
    let world = World::in_memory().await;
    let watch = world.watch();
    world.batch(&healthy(0)).await;
    world.directs("B", 2, true);
    world.clock.set(due(2));
    assert_eq!(raised(&world, &watch).await, [(window(1).to_string(), 1), (window(2).to_string(), 2)]);
    let (phase, run) = world.state().await.run.unwrap();
    assert_eq!((phase.as_str(), run.epoch), ("B", 2));
}

/// PO-1: a policy of short windows is looked after at their pace.
#[test]
fn pace_follows_the_shortest_window() {
    let mut policy = domain::gate::fixture::whole_policy();
    assert_eq!(pace(&policy), (LONGEST_POLL, LONGEST_ADOPTION));
    for target in policy.targets.values_mut() {
        target.collection.window = Duration::from_secs(2);
    }
    assert_eq!(pace(&policy), (Duration::from_millis(200), Duration::from_secs(2)));
}
