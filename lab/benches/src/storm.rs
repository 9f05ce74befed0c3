//! (d) A storm: every target violates its objectives at once. Beside it, in the same run, as many bare spawns of the same command.
//!
//! Analyzer and reporter run as in (c). What it costs a rollback is told for several sizes: it must not grow with them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use shared_types::dashboard::Dashboard;
use shared_types::rollout::RolloutState;
use shared_types::{Batch, PhaseId, TargetName};

use crate::latency::Store;
use crate::latency::commands::Start;
use crate::latency::incident::violating;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::Wanted;
use crate::measure::{bounded, processor_seconds};

/// Clients that start rollouts, and that send batches.
const STARTERS: usize = 8;
const SENDERS: usize = 32;
/// Bare spawns beside each other, as many as the worker has slots.
const SPAWNERS: usize = 8;
const LOOK: Duration = Duration::from_millis(100);
/// Lets what the starts have caused be done.
const QUIET: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(300);

/// A table for each store. An error where a rollback of the largest storm costs more than `growth_most` of those of the smallest.
pub(crate) fn bench(
    stores: &[Store],
    sizes: &[usize],
    how: Start,
    growth_most: Option<f64>,
) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for store in stores {
        println!("\n{store:?}, command {how:?}");
        println!(
            "{:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9}",
            "targets", "answered s", "first s", "p50 s", "last s", "bare s", "last/bare", "CPU ms"
        );
        let mut cost = Vec::new();
        for size in sizes {
            cost.push(
                store
                    .with(&runtime, async |directory, database| one(directory, database, *size, how).await)?,
            );
        }
        if let [first, .., last] = cost.as_slice() {
            bounded("CPU of a rollback, largest over smallest storm", last / first, growth_most)?;
        }
    }
    Ok(())
}

/// Returns the CPU time of a rollback in milliseconds.
async fn one(directory: &Path, database: Option<&str>, size: usize, how: Start) -> anyhow::Result<f64> {
    let bare = bare(size).await?;
    let stack = Stack::start(directory, database, Wanted::targets(size)?, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    tokio::time::sleep(QUIET).await;
    stack.first.commands.start_by(how);
    stack.first.commands.take_started();
    let spent = processor_seconds()?;
    let struck = strike(&stack, 0).await?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = (processor_seconds()? - spent) * 1000.0 / size as f64;
    let last = struck.seconds();
    println!(
        "{size:>8} {:>10.3} {:>9.3} {:>9.3} {last:>9.3} {bare:>9.3} {:>11.2} {each:>9.2}",
        struck.answered,
        struck.after[0],
        struck.after[size / 2],
        last / bare
    );
    stack.stop().await?;
    Ok(each)
}

/// What came of a storm: each target's command began once.
pub(crate) struct Struck {
    /// Seconds until all batches had their answer.
    pub(crate) answered: f64,
    /// Seconds until each command began, in their order.
    pub(crate) after: Vec<f64>,
    /// How many of them each replica began.
    pub(crate) shares: Vec<usize>,
}

impl Struck {
    /// Until the last command began.
    pub(crate) fn seconds(&self) -> f64 {
        self.after.last().copied().unwrap_or(f64::NAN)
    }
}

/// A violating window of every target; an error where a command began twice.
pub(crate) async fn strike(stack: &Stack, number: usize) -> anyhow::Result<Struck> {
    let phase = PhaseId::parse("A")?;
    let of = |target| violating(stack, target, (&phase, 1), number);
    let batches: Vec<Batch> = stack.targets.iter().map(of).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    // Each replica gets its share.
    stream::iter(batches.iter().zip(stack.replicas().cycle()))
        .map(|(batch, to)| to.analyzer.post_json::<_, Value>("/v1/batches", batch))
        .buffer_unordered(SENDERS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("a batch")?;
    let answered = begun.elapsed().as_secs_f64();
    let size = stack.targets.len();
    let by_replica = until_all_started(stack, size).await?;
    let shares = by_replica.iter().map(Vec::len).collect();
    let all: Vec<(TargetName, Instant)> = by_replica.into_iter().flatten().collect();
    let each: BTreeSet<&TargetName> = all.iter().map(|(target, _)| target).collect();
    anyhow::ensure!(
        each.len() == size && all.len() == size,
        "not each target once: {} of {}",
        each.len(),
        all.len()
    );
    let mut after: Vec<f64> =
        all.iter().map(|(_, at)| at.saturating_duration_since(begun).as_secs_f64()).collect();
    after.sort_by(f64::total_cmp);
    Ok(Struck { answered, after, shares })
}

pub(crate) async fn start_all(stack: &Stack) -> anyhow::Result<()> {
    stream::iter(&stack.targets)
        .map(|target| async move {
            let path = format!("/v1/rollouts/{target}/start");
            stack.first.reporter.post_json::<_, Value>(&path, &json!({ "by": "bench" })).await
        })
        .buffer_unordered(STARTERS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("a start")?;
    let running = async {
        loop {
            let all: Dashboard = stack.first.reporter.get_json("/v1/dashboard").await?;
            if all.targets.iter().all(|it| it.state == RolloutState::Running) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.context("not all rollouts run")?
}

/// Of each replica, which commands it began.
async fn until_all_started(stack: &Stack, size: usize) -> anyhow::Result<Vec<Vec<(TargetName, Instant)>>> {
    let mut started: Vec<Vec<_>> = stack.replicas().map(|_| Vec::new()).collect();
    let waiting = async {
        while started.iter().map(Vec::len).sum::<usize>() < size {
            tokio::time::sleep(LOOK / 10).await;
            for (of_it, replica) in started.iter_mut().zip(stack.replicas()) {
                of_it.extend(replica.commands.take_started());
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("not all commands were started")?;
    Ok(started)
}

/// Seconds for as many bare starts of the command.
async fn bare(size: usize) -> anyhow::Result<f64> {
    let begun = Instant::now();
    stream::iter(0..size)
        .map(|_| async { tokio::process::Command::new("date").arg("+%s%N").output().await })
        .buffer_unordered(SPAWNERS)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}
