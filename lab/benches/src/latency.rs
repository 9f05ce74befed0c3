//! (c) From a batch at the analyzer's door to the start of the rollback's command: both services in this
//! process, over HTTP on loopback, on files of SQLite and on PostgreSQL with its default durability.
//!
//! One violation at a time, each a real incident of its own: the rollout starts, a violating batch comes, the
//! rollback runs, and all of it is settled before the next. Beside it, in the same run, the least that could
//! be called durable: a commit, an HTTP call, a commit in the callee.

pub(crate) mod commands;
mod floor;
pub(crate) mod incident;
pub(crate) mod marks;
pub(crate) mod sample;
pub(crate) mod stack;
pub(crate) mod wanted;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ValueEnum;
use phasegate_tests::postgres::{Cluster, TestDatabase};
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use commands::Start;
use marks::{HOPS, Marks};
use sample::Sample;
use stack::Stack;
use wanted::Wanted;

/// Where the services keep their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    /// Does `work` with a directory and a database of its own; without a database it is SQLite in the directory.
    pub(crate) fn with<T>(
        self,
        runtime: &Runtime,
        work: impl AsyncFnOnce(&Path, Option<&str>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let directory = tempfile::tempdir()?;
        match self {
            Self::Sqlite => runtime.block_on(work(directory.path(), None)),
            Self::Postgres => {
                let cluster = Cluster::durable();
                runtime.block_on(async {
                    let database = TestDatabase::create_in(&cluster).await;
                    work(directory.path(), Some(database.url())).await
                })
            }
        }
    }
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Violations whose command is only noted.
    pub(crate) incidents: usize,
    /// Violations whose command is a process that says when it began.
    pub(crate) spawned: usize,
    /// Targets of the policy; the violations go round.
    pub(crate) targets: usize,
}

/// The tables, a store after the other.
pub(crate) fn bench(stores: &[Store], amount: Amount) -> anyhow::Result<()> {
    let marks = Arc::new(Marks::default());
    tracing_subscriber::registry().with(marks::MarkLayer::new(Arc::clone(&marks))).init();
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for store in stores {
        let name = match store {
            Store::Sqlite => "SQLite",
            Store::Postgres => "PostgreSQL",
        };
        store.with(&runtime, async |directory, database| {
            one_store(name, directory, database, amount, &marks).await
        })?;
    }
    Ok(())
}

async fn one_store(
    name: &str,
    directory: &Path,
    database: Option<&str>,
    amount: Amount,
    marks: &Arc<Marks>,
) -> anyhow::Result<()> {
    println!("\n{name}, {} target(s)", amount.targets);
    println!("{:<52} {:>6} {:>9} {:>9} {:>9} {:>9}", "milliseconds", "n", "p50", "p99", "max", "p50 ratio");
    let floor = floor::measure(directory, database, amount.incidents).await.context("the floor")?;
    floor.line("commit, HTTP call, commit (the floor)", &floor);
    let stack =
        Stack::start(directory, database, Wanted::targets(amount.targets)?, Arc::clone(marks)).await?;
    let (mut whole, mut spawned) = (Sample::default(), Sample::default());
    let mut hops: Vec<Sample> = HOPS.iter().map(|_| Sample::default()).collect();
    for number in 0..amount.incidents {
        let marked = incident::run(&stack, number, Start::Noted).await?;
        whole.add(marked.whole());
        for (hop, took) in hops.iter_mut().zip(marked.hops()) {
            hop.add(took);
        }
    }
    for number in amount.incidents..amount.incidents + amount.spawned {
        spawned.add(incident::run(&stack, number, Start::Spawned).await?.whole());
    }
    stack.stop().await?;
    whole.line("batch sent to command started", &floor);
    for (hop, (_, what)) in hops.iter().zip(HOPS) {
        hop.line(&format!("  {what}"), &floor);
    }
    spawned.line("batch sent to a real process running", &floor);
    Ok(())
}
