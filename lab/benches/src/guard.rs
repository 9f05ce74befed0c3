//! `cargo run --release -p phasegate-bench --bin guard-bench -- latency|storm|cycle|replicas|soak|history|idle`: what the analyzer and the reporter do.

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::{cycle, history, idle, latency, replicas, soak, storm};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
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
        command: latency::commands::Start,
        /// Ends with 1 where a rollback of the largest storm costs more than so many of the smallest.
        #[arg(long)]
        growth_most: Option<f64>,
    },
    /// The batches of all targets at the end of a window that keeps its limits, until the reporter knows all decisions.
    Cycle {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite", "postgres"])]
        stores: Vec<latency::Store>,
        /// Targets of each cycle, the smallest first.
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1000])]
        targets: Vec<usize>,
        /// Ends with 1 where a target of the largest cycle costs more than so many of the smallest.
        #[arg(long)]
        growth_most: Option<f64>,
    },
    /// A window, and a storm, with so many replicas of analyzer and reporter on one PostgreSQL: that each command begins once,
    /// whoever begins it, and what replicas cost each other. All are in this process and share its cores, so more of them are
    /// no faster here; batches go to them in turn.
    Replicas {
        /// Replicas of each run, the fewest first.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
        replicas: Vec<usize>,
        /// Targets of each run.
        #[arg(long, default_value_t = 500)]
        targets: usize,
        /// Whether commands are real processes.
        #[arg(long, value_enum, default_value = "noted")]
        command: latency::commands::Start,
        /// Ends with 1 where a target costs more processor time, the server's with it, than so many of the first run.
        #[arg(long)]
        growth_most: Option<f64>,
    },
    /// Hours in small: each target is sent a window a second, each 15 minutes after the one before; now and then one violates, is
    /// rolled back, closed and started again. Streams of the page are held and opened anew, the policy changes each minute,
    /// what is old is deleted. Told each half minute and at the end: memory, descriptors, processor time, the database.
    /// In a release build it takes a few hundredths of a core, so it may run beside other work; its processor times are then those of
    /// a busy machine.
    Soak {
        #[arg(long, value_enum, default_value = "sqlite")]
        store: latency::Store,
        #[arg(long, default_value_t = 60)]
        minutes: u64,
        #[arg(long, default_value_t = 20)]
        targets: usize,
        /// Windows of a target between two of its violations.
        #[arg(long, default_value_t = 200)]
        incident_every: usize,
        /// Ends with 1 where memory, descriptors, or the processor time of a window came to more than so many times what they were:
        /// the last quarter's mean over the second one's.
        #[arg(long)]
        growth_most: Option<f64>,
    },
    /// What history costs: the bytes that a batch leaves in the tables of the three services, with their indexes, and how long a
    /// year of one target takes to be read over HTTP, beside the bare statements for the same rows.
    History {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite", "postgres"])]
        stores: Vec<latency::Store>,
        /// Batches through collector, analyzer and reporter, of about 1,000 events each.
        #[arg(long, default_value_t = 2000)]
        batches: usize,
        /// Windows of the target that is read; a year has 35,040.
        #[arg(long, default_value_t = 35_040)]
        windows: usize,
        /// Ends with 1 where a batch leaves more bytes than this in all tables together.
        #[arg(long)]
        bytes_most: Option<f64>,
    },
    /// What targets cost that nothing comes for: processor time and memory of each, over a stack of one target. A store that was just
    /// made has no history to forget, and no window is missed.
    Idle {
        #[arg(long, value_delimiter = ',', value_enum, default_values = ["sqlite"])]
        stores: Vec<latency::Store>,
        #[arg(long, default_value_t = 1000)]
        targets: usize,
        /// How long is measured, after the starts have settled.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Without the collector: analyzer and reporter alone.
        #[arg(long)]
        without_collector: bool,
        /// Ends with 1 where a target takes more memory than this.
        #[arg(long)]
        kib_most: Option<f64>,
    },
}

/// Measures what the arguments say.
///
/// # Errors
/// What keeps it from measuring.
pub fn run() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Latency { stores, incidents, spawned, targets } => {
            latency::bench(&stores, latency::Amount { incidents, spawned, targets })
        }
        Bench::Storm { stores, targets, command, growth_most } => {
            storm::bench(&stores, &targets, command, growth_most)
        }
        Bench::Replicas { replicas, targets, command, growth_most } => {
            replicas::bench(&replicas, targets, command, growth_most)
        }
        Bench::Soak { store, minutes, targets, incident_every, growth_most } => {
            soak::bench(store, soak::Amount { minutes, targets, incident_every }, growth_most)
        }
        Bench::History { stores, batches, windows, bytes_most } => {
            history::bench(&stores, history::Amount { batches, windows }, bytes_most)
        }
        Bench::Idle { stores, targets, seconds, without_collector, kib_most } => {
            let measured = Duration::from_secs(seconds);
            let amount = idle::Amount { targets, measured, collector: !without_collector };
            idle::bench(&stores, amount, kib_most)
        }
        Bench::Cycle { stores, targets, growth_most } => cycle::bench(&stores, &targets, growth_most),
    }
}
