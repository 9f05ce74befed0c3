//! In `lab/`, `cargo run --profile nightly -p phasegate-simulation -- --seeds 10000`: the long form of the simulation.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use phasegate_simulation::trap::Trap;
use phasegate_simulation::{Simulation, Spec};

/// Runs seeds, and prints the timeline of those that break a promise
#[derive(Parser)]
struct Arguments {
    /// How many, from `--first` on
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// This one alone, with every boundary
    #[arg(long)]
    seed: Option<u64>,
    /// Hours of trouble in each; an hour and a quarter follow without
    #[arg(long, default_value_t = 3)]
    hours: u64,
    /// One script by its name, or a seed of two hours, and nothing but the promises that it breaks
    #[arg(long, value_name = "SCRIPT OR SEED")]
    trap: Option<Trap>,
    /// The first of all scripts and `--seeds` that breaks a promise, told in the same way
    #[arg(long)]
    traps: bool,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let trouble = Duration::from_secs(arguments.hours * 3600);
    if let Some(seed) = arguments.seed {
        let report = Simulation::new().run(Spec { verbose: true, ..Spec::seeded(seed, trouble) });
        print!("{}\n{report}", report.trace.text());
        return if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Some(trap) = arguments.trap {
        return spring([trap]);
    }
    if arguments.traps {
        return spring(Trap::all(arguments.seeds));
    }
    let (next, began) = (AtomicU64::new(arguments.first), Instant::now());
    let end = arguments.first + arguments.seeds;
    let totals: Mutex<(BTreeMap<&'static str, u64>, u64)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                let simulation = Simulation::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= end {
                        return;
                    }
                    let report = simulation.run(Spec::seeded(seed, trouble));
                    if !report.holds() {
                        println!("{report}");
                    }
                    let Ok(mut totals) = totals.lock() else { return };
                    totals.1 += u64::from(!report.holds());
                    for (what, count) in report.trace.counts() {
                        *totals.0.entry(what).or_default() += count;
                    }
                }
            });
        }
    });
    let (met, broken) = totals.into_inner().unwrap_or_default();
    for (what, count) in &met {
        println!("{count:>10} {what}");
    }
    let took = began.elapsed();
    let each =
        took.as_secs_f64() * 1000.0 / f64::from(u32::try_from(arguments.seeds.max(1)).unwrap_or(u32::MAX));
    println!("{} seeds, {broken} broken, {:.0} s, {each:.1} ms a seed", arguments.seeds, took.as_secs_f64());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says which promises the first run breaks that breaks any, one a line; which run that was goes to standard error.
fn spring(traps: impl IntoIterator<Item = Trap>) -> ExitCode {
    let simulation = Simulation::new();
    for trap in traps {
        let report = simulation.run(trap.spec());
        if !report.holds() {
            report.findings.keys().for_each(|promise| println!("{promise}"));
            eprintln!("by the run {trap}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
