//! `cargo run --release -p phasegate-bench --bin guard-bench -- latency|storm`: what the analyzer and the reporter do.

use clap::{Parser, Subcommand};

use crate::{latency, storm};

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
        Bench::Storm { stores, targets, command } => storm::bench(&stores, &targets, command),
    }
}
