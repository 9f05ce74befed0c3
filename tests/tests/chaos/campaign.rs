//! Rounds of every kind of fault, in a few worlds side by side: most of a round is waiting.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use phasegate_tests::history::Findings;
use tokio::task::JoinSet;

use crate::fleet::Build;
use crate::plan::{KINDS, Planned, rounds};
use crate::round;
use crate::summary::Summary;
use crate::world::World;

const WORLDS: usize = 2;

const POLICY: &str = include_str!("../../fixtures/policy.fast.yaml");

/// Shorter still than the black-box tests' policy.
const FASTER: [(&str, &str); 3] = [
    ("window: 2s", "window: 1s"),
    ("compliant_batches: 2", "compliant_batches: 1"),
    ("watch: 6s", "watch: 2s"),
];

/// DE-5, RB-1, RB-3, NO-4, ES-1, ES-4, TE-5, CO-1: whatever is killed, frozen, full, slow, cut or replaced, each violation
/// has one incident, one rollback a phase left, its messages once or marked, and each accepted event is counted once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_happens_twice_whatever_fails() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().expect("a number"));
    let count = number("PHASEGATE_CHAOS_ROUNDS").map_or(KINDS.len(), |it| usize::try_from(it).unwrap_or(0));
    let seed = number("PHASEGATE_CHAOS_SEED").unwrap_or(1);
    println!("chaos: seed {seed}, {count} rounds; the rolling restart's old version: {}", Build::old_one());
    let plan: Arc<Mutex<VecDeque<Planned>>> = Arc::new(Mutex::new(rounds(seed, count).into()));
    let summary = Arc::new(Mutex::new(Summary::default()));
    let mut worlds = JoinSet::new();
    for _ in 0..WORLDS.min(count) {
        worlds.spawn(play_all(Arc::clone(&plan), Arc::clone(&summary)));
    }
    while let Some(world) = worlds.join_next().await {
        if let Err(broken) = world {
            worlds.shutdown().await;
            std::panic::resume_unwind(broken.into_panic());
        }
    }
    let summary = lock(&summary);
    println!("{summary}");
    assert_eq!(summary.rounds.values().sum::<usize>(), count);
    // No proof by a run in which nothing happened.
    assert!(summary.incidents >= count, "a violation in each round");
    assert!(count < KINDS.len() || summary.replies_lost > 0, "a reply was lost");
}

async fn play_all(plan: Arc<Mutex<VecDeque<Planned>>>, summary: Arc<Mutex<Summary>>) {
    let policy = FASTER.iter().fold(POLICY.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the policy has {from}");
        text.replace(from, to)
    });
    let mut world = World::start(&policy).await;
    println!("chaos: a full disk is {}", world.disk.kind());
    let mut findings = Findings::default();
    loop {
        let next = lock(&plan).pop_front();
        let Some(planned) = next else { break };
        let Planned { number, fault, .. } = &planned;
        println!("chaos: round {number}: {fault:?} (violation in {})", in_phase(&planned));
        let begun = Instant::now();
        let (recovery, found) = round::play(&mut world, &planned).await;
        println!("chaos: round {number} held after {} ms", begun.elapsed().as_millis());
        findings = found;
        lock(&summary).played(planned.kind, recovery);
    }
    let events = world.count_all().await;
    let mut summary = lock(&summary);
    summary.judged(world.history.incidents.len(), &findings);
    summary.replies_lost +=
        world.links.values().map(phasegate_tests::proxy::Proxy::replies_lost).sum::<u64>();
    summary.events += events;
}

fn in_phase(planned: &Planned) -> &'static str {
    if planned.in_b { "B" } else { "A" }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
