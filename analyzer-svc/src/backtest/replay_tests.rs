//! The same past under the same policy is the same, to the last byte.

use service_kit::db::Db;
use shared_types::collector_event::CollectorEventKind;

use std::time::Duration;

use crate::testing::{World, event, on_each_engine, recorded};
use domain::gate::fixture::{Counts, autosave, policy, ten_o_clock, whole_policy, window};
use domain::policy::Policy;
use domain::whatif::Recorded;
use domain::whatif::replay::{Replay, Replayed, needs_batch};
use shared_types::Timestamp;
use shared_types::decision::Cause;

/// Numbers that look like chance and are the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One of `0..sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What happens at the analyzer, when.
enum Happens {
    Batch(Counts),
    Event(CollectorEventKind, Counts),
}

/// A past with everything in it: phases up and down, drift, slow and failing saves, few samples, batches that come late,
/// in another order or never, alarms of the collector.
pub(crate) async fn eventful(db: Db, seed: u64, windows: u32) -> World {
    let world = World::new(db);
    let kept = whole_policy();
    world.store.keep_policy(&kept.version, &kept.text, ten_o_clock()).await.unwrap();
    let mut dice = Dice::of(seed);
    let (mut phase, mut epoch) = (0_usize, 1_u64);
    let mut happens: Vec<(Timestamp, Happens)> = Vec::new();
    for n in 0..windows {
        if n > 0 && dice.roll(7) == 0 {
            phase = if dice.roll(3) == 0 { phase.saturating_sub(1) } else { (phase + 1).min(2) };
            epoch += 1;
        }
        let errors = [0, 0, 2, 8][usize::try_from(dice.roll(4)).unwrap()];
        let counts = Counts {
            phase: ["A", "B", "C"][phase],
            epoch,
            window: window(n),
            save_ms: [400.0, 900.0, 1_700.0, 1_900.0, 2_400.0, 2_600.0]
                [usize::try_from(dice.roll(6)).unwrap()],
            completed: [1_000, 1_000, 1_000, 20][usize::try_from(dice.roll(4)).unwrap()],
            errors,
            drift: u64::from(dice.roll(9) == 0),
            latency_ms: 31_250,
            session: (errors > 0).then_some((errors / 2 + 1, errors / 2 + 3)),
            control: (dice.roll(3) > 0).then_some((dice.roll(4), 300)),
        };
        let after_end = [31, 31, 31, 31, 100, 200, 310, 1_900][usize::try_from(dice.roll(8)).unwrap()];
        let at = counts.window.end.plus(Duration::from_secs(after_end));
        match dice.roll(9) {
            0 => {} // never comes
            1 => {
                let told = counts.window.end.plus(Duration::from_secs(300));
                happens.push((told, Happens::Event(CollectorEventKind::Delayed, counts.clone())));
                happens.push((at.plus(Duration::from_secs(400)), Happens::Batch(counts)));
            }
            2 => {
                let told = counts.window.end.plus(Duration::from_secs(450));
                happens.push((told, Happens::Event(CollectorEventKind::RetryExhausted, counts)));
            }
            _ => happens.push((at, Happens::Batch(counts))),
        }
    }
    happens.sort_by_key(|(at, _)| *at);
    let watch = world.watch();
    for (at, it) in happens {
        world.clock.set(at);
        match it {
            Happens::Batch(counts) => _ = world.send(&counts).await.unwrap(),
            Happens::Event(kind, counts) => {
                let told = event(kind, counts.window, at);
                let phase = shared_types::PhaseId::parse(counts.phase).unwrap();
                let told = shared_types::CollectorEvent { phase, epoch: counts.epoch, ..told };
                world.analyzer.accept_event(told).await.unwrap();
            }
        }
        watch.tick().await.unwrap();
    }
    world
}

/// PO-4, SLO-10: under the policy that was in force every decision comes out as it is stored, byte for byte; from the
/// batches, and from what was observed.
#[tokio::test]
async fn replay_under_the_policy_in_force_is_the_past_byte_for_byte() {
    on_each_engine(|db| async move {
        let world = eventful(db.clone(), 7, 120).await;
        let by = whole_policy();
        for whole in [true, false] {
            let mut replay = Replay::new(autosave(), longest(&by));
            let past = recorded(&world).await;
            assert!(past.len() > 100, "{}", past.len());
            for it in past {
                let sql = "SELECT body FROM decisions WHERE decision_id = $1";
                let id = it.decision.decision_id.to_string();
                let (stored,): (String,) = sqlx::query_as(sql).bind(id).fetch_one(db.pool()).await.unwrap();
                let it = Recorded { batch: it.batch.clone().filter(|_| whole), ..it };
                let replayed = replay.step(&it, &by, Some(&by));
                assert_eq!(db.forms().wire_text(&replayed.made.unwrap()), stored);
                assert_eq!((replayed.alarm, replayed.unjudged), (None, None));
            }
        }
    })
    .await;
}

/// The same over many pasts: what was observed says as much as the batch does, also under another policy.
#[tokio::test]
async fn what_was_observed_judges_as_the_batch_does() {
    let by = changed(|text| {
        text.replace("save_latency_p95: 2.5s", "save_latency_p95: 1.8s")
            .replace("min_samples: 50", "min_samples: 10")
    });
    for seed in 0..12 {
        let world = eventful(in_memory().await, seed, 40).await;
        let was = whole_policy();
        let (mut whole, mut observed) =
            (Replay::new(autosave(), longest(&by)), Replay::new(autosave(), longest(&by)));
        for it in recorded(&world).await {
            let from_batch = whole.step(&it, &by, Some(&was));
            let from_decision = observed.step(&Recorded { batch: None, ..it }, &by, Some(&was));
            assert_eq!(from_batch, from_decision, "seed {seed}");
        }
    }
}

/// PO-4: a stricter `delayed_after` gives up on batches that came, a looser one waits for those that came late.
#[tokio::test]
async fn another_patience_raises_other_alarms() {
    let world = eventful(in_memory().await, 3, 120).await;
    let was = whole_policy();
    let alarms = |by: &Policy, past: &[Recorded]| {
        let mut replay = Replay::new(autosave(), longest(by));
        let replayed: Vec<Replayed> = past.iter().map(|it| replay.step(it, by, Some(&was))).collect();
        let delayed = |it: &Replayed| {
            let made = it.made.iter().chain(&it.alarm);
            made.filter(|it| it.cause == Cause::CollectionDelayed).count()
        };
        replayed.iter().map(delayed).sum::<usize>()
    };
    let past = recorded(&world).await;
    let strict = changed(|text| text.replace("delayed_after: 5m", "delayed_after: 90s"));
    let loose = changed(|text| text.replace("delayed_after: 5m", "delayed_after: 14m"));
    let (less, as_it_was, more) = (alarms(&loose, &past), alarms(&was, &past), alarms(&strict, &past));
    assert!(less < as_it_was && as_it_was < more, "{less} {as_it_was} {more}");
    let stored = past.iter().filter(|it| it.decision.cause == Cause::CollectionDelayed).count();
    assert_eq!(as_it_was, stored);
}

/// A policy that lacks what a window needs cannot judge it, and says so.
#[tokio::test]
async fn what_cannot_be_judged_is_said() {
    let world = eventful(in_memory().await, 1, 12).await;
    let past = recorded(&world).await;
    let by = whole_policy();
    let first = past.iter().find(|it| it.decision.cause == Cause::Slo).unwrap();
    let step = |recorded: &Recorded, by: &Policy| {
        Replay::new(autosave(), longest(by)).step(recorded, by, None).unjudged.unwrap_or_default()
    };
    let mut gone = Recorded { batch: None, counters: None, ..first.clone() };
    assert!(step(&gone, &by).contains("no longer kept"));
    gone.decision.phase = shared_types::PhaseId::parse("Z").unwrap();
    assert!(step(&gone, &by).contains("no gated phase `Z`"));
    let other = changed(|text| text.replace("autosave.history.drift", "autosave.history.skew"));
    assert!(step(first, &other).contains("autosave.history.skew"));
    assert!(needs_batch(&other, Some(&by), &autosave()) && !needs_batch(&by, Some(&by), &autosave()));
}

pub(crate) async fn in_memory() -> Db {
    Db::connect("sqlite::memory:", "analyzer", crate::store::MIGRATIONS).await.unwrap()
}

pub(crate) fn changed(change: impl FnOnce(&str) -> String) -> Policy {
    let text = change(&whole_policy().text);
    assert_ne!(text, *whole_policy().text, "nothing was changed");
    Policy::parse(&text, "changed").unwrap()
}

fn longest(by: &Policy) -> Duration {
    let target = by.targets.get(&autosave()).cloned().unwrap_or_else(policy);
    domain::gate::longest_look_back(&target)
}
