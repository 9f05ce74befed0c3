//! `cargo run --release -p phasegate-bench --bin guard-bench -- latency|storm|cycle`: what the analyzer and the reporter do.

use clap::{Parser, Subcommand};

use crate::{cycle, latency, storm};

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
        command: latency::stack::Start,
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
        Bench::Cycle { stores, targets, growth_most } => cycle::bench(&stores, &targets, growth_most),
    }
}
