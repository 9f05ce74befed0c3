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
use crate::latency::incident::violating;
use crate::latency::marks::Marks;
use crate::latency::stack::{Stack, Start};
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
    let stack = Stack::start(directory, database, size, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    tokio::time::sleep(QUIET).await;
    stack.commands.start_by(how);
    stack.commands.take_started();
    let (begun, spent) = (Instant::now(), processor_seconds()?);
    let phase = PhaseId::parse("A")?;
    let batches: Vec<Batch> = stack
        .targets
        .iter()
        .map(|target| violating(&stack, target, (&phase, 1), 0))
        .collect::<Result<_, _>>()?;
    stream::iter(batches)
        .map(|batch| {
            let stack = &stack;
            async move { stack.analyzer.post_json::<_, Value>("/v1/batches", &batch).await }
        })
        .buffer_unordered(SENDERS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("a batch")?;
    let answered = begun.elapsed().as_secs_f64();
    let started = until_all_started(&stack, size).await?;
    let spent = (processor_seconds()? - spent) * 1000.0;
    let mut after: Vec<f64> = started.iter().map(|(_, at)| (*at - begun).as_secs_f64()).collect();
    after.sort_by(f64::total_cmp);
    let each: BTreeSet<&TargetName> = started.iter().map(|(target, _)| target).collect();
    anyhow::ensure!(
        each.len() == size && started.len() == size,
        "not each target once: {} of {}",
        each.len(),
        started.len()
    );
    let last = after.last().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = spent / size as f64;
    println!(
        "{size:>8} {answered:>10.3} {:>9.3} {:>9.3} {last:>9.3} {bare:>9.3} {:>11.2} {each:>9.2}",
        after[0],
        after[size / 2],
        last / bare
    );
    stack.stop().await?;
    Ok(each)
}

pub(crate) async fn start_all(stack: &Stack) -> anyhow::Result<()> {
    stream::iter(&stack.targets)
        .map(|target| async move {
            let path = format!("/v1/rollouts/{target}/start");
            stack.reporter.post_json::<_, Value>(&path, &json!({ "by": "bench" })).await
        })
        .buffer_unordered(STARTERS)
        .try_for_each(|_| async { Ok(()) })
        .await
        .context("a start")?;
    let running = async {
        loop {
            let all: Dashboard = stack.reporter.get_json("/v1/dashboard").await?;
            if all.targets.iter().all(|it| it.state == RolloutState::Running) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.context("not all rollouts run")?
}

async fn until_all_started(stack: &Stack, size: usize) -> anyhow::Result<Vec<(TargetName, Instant)>> {
    let mut started = Vec::new();
    let waiting = async {
        while started.len() < size {
            started.extend(stack.commands.take_started());
            tokio::time::sleep(LOOK / 10).await;
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
