//! (g) Hours in small: analyzer and reporter under a steady load that has a little of all that happens in months, and whether anything
//! grows that must not.
//!
//! Each target is sent a window a second, each 15 minutes after the one before it, so that an hour is a month of windows; now and
//! then one violates, is rolled back, has its cause confirmed, and starts again. Streams of the page are held, and opened
//! anew; the policy changes each minute. What is kept is short, so that what comes is soon as much as what goes. What is kept for
//! longer than a run (finished effects for a week, versions of the policy, the audit log) goes on growing in the database; nothing
//! else should, and the process should not at all.

mod rules;
mod samples;
mod streams;
mod traffic;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::policy::Policy;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::latency::Store;
use crate::latency::marks::Marks;
use crate::latency::stack::Stack;
use crate::latency::wanted::Wanted;
use crate::storm::start_all;
use samples::Samples;
use streams::Streams;
use traffic::Traffic;

const SAMPLE_EVERY: Duration = Duration::from_secs(30);
const POLICY_EVERY: Duration = Duration::from_secs(60);
const STREAMS: u64 = 3;

/// How long, with how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) minutes: u64,
    pub(crate) targets: usize,
    /// Windows of a target between two that violate.
    pub(crate) incident_every: usize,
}

/// What was sampled, and how it grows. An error where memory, descriptors, or the processor time of a window came to more than
/// `growth_most` of what they were.
pub(crate) fn bench(store: Store, amount: Amount, growth_most: Option<f64>) -> anyhow::Result<()> {
    service_kit::client::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("\n{store:?}, {} targets, {} minutes", amount.targets, amount.minutes);
    let samples = store.with(&runtime, async |directory, database| one(directory, database, amount).await)?;
    samples.report(growth_most)
}

async fn one(directory: &Path, database: Option<&str>, amount: Amount) -> anyhow::Result<Samples> {
    let policy_path = directory.join("policy.yaml");
    std::fs::write(&policy_path, rules::text(amount.targets, 0)?)?;
    let policy = Policy::load(&policy_path)?;
    let wanted = Wanted { policy_path: policy_path.clone(), policy, ..Wanted::targets(1)? };
    let mut stack = Stack::start(directory, database, wanted, Arc::new(Marks::default())).await?;
    start_all(&stack).await?;
    stack.first_window = traffic::first_window(stack.first_window, amount.minutes);
    let stack = Arc::new(stack);
    let (traffic, streams) = (Arc::new(Traffic::default()), Arc::new(Streams::default()));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for number in 0..stack.targets.len() {
        let traffic = Arc::clone(&traffic);
        tasks.spawn(traffic.of_target(Arc::clone(&stack), number, amount.incident_every, stop.clone()));
    }
    for number in 0..STREAMS {
        tasks.spawn(Arc::clone(&streams).hold(Arc::clone(&stack), number, stop.clone()));
    }
    tasks.spawn(change_policy(Arc::clone(&stack), policy_path, amount.targets, stop.clone()));
    let mut samples = Samples::begin(directory, database, &traffic)?;
    let end = Instant::now() + Duration::from_secs(60 * amount.minutes);
    while Instant::now() < end {
        tokio::select! {
            () = tokio::time::sleep(SAMPLE_EVERY) => samples.take(&traffic).await?,
            // None ends before it is told to, unless it failed.
            Some(ended) = tasks.join_next() => ended?.context("the load")?,
        }
    }
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended?.context("the load")?;
    }
    println!("{}; {} events on {STREAMS} streams", traffic.told(), streams.events());
    Arc::into_inner(stack).context("the stack is in use")?.stop().await?;
    Ok(samples)
}

/// Changes the policy, and waits until both services go by it.
async fn change_policy(
    stack: Arc<Stack>,
    path: std::path::PathBuf,
    targets: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    for number in 1.. {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(POLICY_EVERY) => {}
        }
        let text = rules::text(targets, number)?;
        std::fs::write(&path, &text)?;
        let version = Policy::version_of(text.as_bytes());
        for neighbour in [&stack.first.analyzer, &stack.first.reporter] {
            rules::until_in_force(neighbour, &version).await?;
        }
    }
    Ok(())
}
