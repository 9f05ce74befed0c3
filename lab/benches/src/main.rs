//! `cargo run --release -p phasegate-bench -- collector|push|latency`: Phasegate beside bare programs that do less, in
//! one run on the same cores, because times belong to a machine and ratios travel.
//!
//! Every measurement is a process of its own, so that its peak memory is its own too; this program starts
//! itself again for each and prints the table.

mod bare;
mod collector;
mod latency;
mod measure;
mod push;
mod storm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// A JSONL file through source, counting and SQLite store, beside a line split, and bare programs that
    /// count the same windows.
    Collector {
        /// Lines of the generated files.
        #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
        events: Vec<u64>,
        /// Over how many files the lines are dealt out, each of which then spans the whole time.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 20])]
        files: Vec<usize>,
        /// Processor cores, and threads that parse.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<usize>,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// The better of so many runs counts.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// NDJSON bodies of 1,000 events over HTTP, beside the same handler without a store.
    Push {
        #[arg(long, default_value_t = 2000)]
        bodies: usize,
        /// Enough that a group commit is shared; with few, each waits for the disk.
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// The better of so many runs counts.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// A violating batch at the analyzer until the rollback's command starts, beside commit, call, commit.
    Latency {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite", "postgres"])]
        stores: Vec<latency::Store>,
        /// Violations, one after the other.
        #[arg(long, default_value_t = 1000)]
        incidents: usize,
        /// Violations more whose command is a real process.
        #[arg(long, default_value_t = 100)]
        spawned: usize,
        /// Targets of the policy.
        #[arg(long, default_value_t = 1)]
        targets: usize,
    },
    /// A violating batch of every target at once, until the last rollback's command starts, beside bare starts of it.
    Storm {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite", "postgres"])]
        stores: Vec<latency::Store>,
        /// Targets of each storm, the smallest first.
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1000])]
        targets: Vec<usize>,
        /// Whether commands are real processes.
        #[arg(long, value_enum, default_value = "spawned")]
        command: latency::stack::Start,
    },
    /// One measurement, in this process.
    #[command(hide = true)]
    Measure {
        what: String,
        #[arg(long)]
        file: Vec<PathBuf>,
        #[arg(long, default_value_t = 1)]
        threads: usize,
        #[arg(long, default_value_t = 0)]
        bodies: usize,
        #[arg(long, default_value_t = 0)]
        connections: usize,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    // Commands are supervised by the program that starts them.
    let supervised = service_kit::supervisor::asked(&std::env::args_os().collect::<Vec<_>>());
    supervised.map_or_else(|| bench().map(|()| ExitCode::SUCCESS), Ok)
}

fn bench() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Collector { events, files, threads, seed, runs } => {
            collector::bench(&collector::Amount { events, files, threads, seed, runs })
        }
        Bench::Push { bodies, connections, runs } => push::bench(bodies, connections, runs),
        Bench::Latency { stores, incidents, spawned, targets } => {
            latency::bench(&stores, latency::Amount { incidents, spawned, targets })
        }
        Bench::Storm { stores, targets, command } => storm::bench(&stores, &targets, command),
        Bench::Measure { what, file: files, threads, bodies, connections } => {
            let done = match what.as_str() {
                "lines" => measure::threads(threads, || bare::lines(&files, threads)),
                "flat" => measure::threads(threads, || bare::flat(&files, threads)),
                "parse" => measure::threads(threads, || bare::parse(&files, threads)),
                "collector" => measure::threads(threads, || collector::measure(&files, threads)),
                "push-bare" => push::measure(bodies, connections, push::Kind::WithoutStore),
                "push" => push::measure(bodies, connections, push::Kind::Collector),
                other => anyhow::bail!("`{other}` is not measured here"),
            }?;
            done.print()
        }
    }
}
