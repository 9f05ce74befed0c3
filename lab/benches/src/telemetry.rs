//! `cargo run --release -p phasegate-bench -- collector|push|catch-up`: what the collector does.
//!
//! Every measurement is a process of its own, so that its peak memory is its own too; the program starts itself again for each
//! and prints the table.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::catch_up::Kept;
use crate::latency::Store;
use crate::{bare, catch_up, collector, logged, measure, nats, push};

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
    /// NDJSON bodies over HTTP, beside the same handler without a store.
    Push {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite", "postgres"])]
        stores: Vec<Store>,
        #[command(flatten)]
        amount: push::Amount,
        /// The better of so many runs counts.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// Collectors that share the targets of one stream of NATS JetStream, on PostgreSQL. All are in this process and share its
    /// cores, so more of them are no faster here.
    Nats {
        /// Collectors of each run, the fewest first.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
        collectors: Vec<usize>,
        #[arg(long, default_value_t = 16)]
        targets: usize,
        /// Events of each run, a hundred a message.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Ends with 1 where an event costs more processor time than so many of the first run.
        #[arg(long)]
        growth_most: Option<f64>,
    },
    /// What each source has kept while no collector was there for an hour.
    CatchUp {
        #[arg(long, value_delimiter = ',', value_enum,
            default_values = ["nothing", "file", "push", "nats", "prometheus", "otlp-cumulative", "otlp-delta"])]
        sources: Vec<Kept>,
        /// Of the hour: a multiple of 1,000.
        #[arg(long, value_delimiter = ',', default_values_t = [250_000, 1_000_000])]
        events: Vec<u64>,
        /// The better of so many runs counts.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// One measurement, in this process.
    #[command(hide = true)]
    Measure {
        what: String,
        #[arg(long)]
        file: Vec<PathBuf>,
        #[arg(long, default_value_t = 1)]
        threads: usize,
        #[command(flatten)]
        amount: push::Amount,
    },
}

/// Measures what the arguments say.
///
/// # Errors
/// What keeps it from measuring.
pub fn run() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Collector { events, files, threads, seed, runs } => {
            collector::bench(&collector::Amount { events, files, threads, seed, runs })
        }
        Bench::Nats { collectors, targets, events, growth_most } => {
            nats::bench(&collectors, targets, events, growth_most)
        }
        Bench::Push { stores, amount, runs } => push::bench(&stores, amount, runs),
        Bench::CatchUp { sources, events, runs } => catch_up::bench(&sources, &events, runs),
        Bench::Measure { what, file: files, threads, amount } => {
            let done = match what.as_str() {
                "lines" => measure::threads(threads, || bare::lines(&files, threads)),
                "flat" => measure::threads(threads, || bare::flat(&files, threads)),
                "parse" => measure::threads(threads, || bare::parse(&files, threads)),
                "collector" => measure::threads(threads, || collector::measure(&files, None, threads)),
                "collector-mapped" => {
                    measure::threads(threads, || collector::measure(&files, Some(logged::map()?), threads))
                }
                "push-bare" => push::bare(amount),
                "push-sqlite" => push::collector(amount, Store::Sqlite),
                "push-postgres" => push::collector(amount, Store::Postgres),
                other => match other.strip_prefix("catch-up-").map(|kept| Kept::from_str(kept, false)) {
                    Some(Ok(kept)) => catch_up::measure(kept, amount.events),
                    _ => anyhow::bail!("`{other}` is not measured here"),
                },
            }?;
            done.print()
        }
    }
}
