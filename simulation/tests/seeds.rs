//! The short form of the simulation: so many seeds that every kind of trouble is met, none of which breaks a promise.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phasegate_simulation::boundary::Kind;
use phasegate_simulation::{Simulation, Spec};

const TROUBLE: Duration = Duration::from_secs(2 * 3600);
const THREADS: usize = 2;

/// What a proof over nothing would not have met.
const MET: [&str; 22] = [
    "approvals",
    "collector events",
    "command failures",
    "delayed messages",
    "dropped messages",
    "duplicated messages",
    "escalations",
    "freezes",
    "incidents",
    "kills",
    "lost commits",
    "lost replies",
    "pauses",
    "policy changes",
    "promotions",
    "resends of unknown outcome",
    "rollbacks",
    "skewed clocks",
    "takeovers",
    "unanswered pushes",
    "vendor failures",
    "withdrawn approvals",
];

/// `PHASEGATE_SIMULATION_SEEDS` asks for more.
fn seeds() -> u64 {
    std::env::var("PHASEGATE_SIMULATION_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

/// DE-5, RB-3, TE-5, NO-4: no seed breaks a promise, and every kind of trouble was met.
#[test]
fn every_promise_holds_in_every_seed_and_every_kind_of_trouble_is_met() {
    let (next, end) = (AtomicU64::new(0), seeds());
    let (broken, met) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::<&str, u64>::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let simulation = Simulation::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= end {
                        return;
                    }
                    let report = simulation.run(Spec::seeded(seed, TROUBLE));
                    if !report.holds() {
                        broken.lock().unwrap().push(report.to_string());
                    }
                    for (what, count) in report.trace.counts() {
                        *met.lock().unwrap().entry(*what).or_default() += count;
                    }
                }
            });
        }
    });
    let (broken, met) = (broken.into_inner().unwrap(), met.into_inner().unwrap());
    assert!(broken.is_empty(), "{} seeds:\n{}", broken.len(), broken.join("\n"));
    let wanted = MET.into_iter().chain(Kind::ALL.map(Kind::killed));
    let missing: Vec<&str> = wanted.filter(|what| !met.contains_key(what)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}\nmet: {met:#?}");
}

#[test]
fn a_seed_reproduces_its_run_to_the_byte() {
    let simulation = Simulation::new();
    let run =
        |seed| simulation.run(Spec { verbose: true, ..Spec::seeded(seed, TROUBLE) }).trace.text().to_owned();
    for seed in 0..2 {
        assert!(run(seed) == run(seed), "seed {seed}");
    }
}
