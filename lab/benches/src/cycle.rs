//! (e) The end of a window: the batches of all targets are there at once, none of them violates anything. As the collector sends them.
//!
//! What it costs a target is told for several sizes: it must not grow with them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use service_kit::outbox::Outcome;
use shared_types::dashboard::Dashboard;
use shared_types::{Batch, PhaseId, Timestamp};

use crate::latency::Store;
use crate::latency::commands::Start;
use crate::latency::incident::batch;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::Wanted;
use crate::measure::{bounded, processor_seconds};
use crate::storm::start_all;

/// Below every phase's limit.
const FAST_MS: f64 = 500.0;
const LOOK: Duration = Duration::from_millis(200);
/// Lets what came before be done.
const QUIET: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(300);

/// A table for each store. An error where a target of the largest cycle costs more than `growth_most` of those of the smallest.
pub(crate) fn bench(stores: &[Store], sizes: &[usize], growth_most: Option<f64>) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for store in stores {
        println!("\n{store:?}");
        println!("{:>8} {:>10} {:>10} {:>12}", "targets", "judged s", "known s", "CPU ms each");
        let mut cost = Vec::new();
        for size in sizes {
            cost.push(
                store.with(&runtime, async |directory, database| one(directory, database, *size).await)?,
            );
        }
        if let [first, .., last] = cost.as_slice() {
            bounded("CPU of a target, largest over smallest cycle", last / first, growth_most)?;
        }
    }
    Ok(())
}

/// Returns the CPU time of a target in milliseconds, of the second window: in the first one it is asked what is collected.
async fn one(directory: &Path, database: Option<&str>, size: usize) -> anyhow::Result<f64> {
    let stack = Stack::start(directory, database, Wanted::targets(size)?, Arc::new(Marks::default())).await?;
    stack.first.commands.start_by(Start::Noted);
    start_all(&stack).await?;
    window(&stack, 0).await?;
    tokio::time::sleep(QUIET).await;
    let spent = processor_seconds()?;
    let (judged, known) = window(&stack, 1).await?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = (processor_seconds()? - spent) * 1000.0 / size as f64;
    println!("{size:>8} {judged:>10.3} {known:>10.3} {each:>12.2}");
    stack.stop().await?;
    Ok(each)
}

/// Seconds until all batches of a window were judged, and until the reporter knows all decisions.
pub(crate) async fn window(stack: &Stack, number: usize) -> anyhow::Result<(f64, f64)> {
    let phase = PhaseId::parse("A")?;
    let of = |target| batch(stack, target, (&phase, 1), number, FAST_MS);
    let batches: Vec<Batch> = stack.targets.iter().map(of).collect::<Result<_, _>>()?;
    let end = batches.first().context("no target")?.window.end;
    let begun = Instant::now();
    // Each replica gets its share.
    let sent = batches.iter().zip(stack.replicas().cycle());
    let sent = sent.map(|(batch, to)| to.analyzer.deliver_together("/v1/batches", batch));
    for outcome in join_all(sent).await {
        anyhow::ensure!(matches!(outcome, Outcome::Done(_)), "a batch: {outcome:?}");
    }
    let judged = begun.elapsed().as_secs_f64();
    tokio::time::timeout(PATIENCE, until_known(stack, end)).await.context("not all are known")??;
    Ok((judged, begun.elapsed().as_secs_f64()))
}

/// Until the reporter knows a decision of every target on a window that ends then, or a later one.
pub(crate) async fn until_known(stack: &Stack, end: Timestamp) -> anyhow::Result<()> {
    loop {
        let all: Dashboard = stack.first.reporter.get_json("/v1/dashboard").await?;
        if all.targets.iter().all(|it| it.window.is_some_and(|window| window.end >= end)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}
