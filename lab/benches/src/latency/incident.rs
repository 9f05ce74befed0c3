//! One violation from a running rollout to a finished rollback.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::rollout::{Rollout, RolloutState};
use shared_types::{Batch, Epoch, Histogram, PhaseId, TargetName, Window};

use super::commands::Start;
use super::marks::Marked;
use super::stack::Stack;
use super::wanted::WINDOW;

const COMPLETED: &str = "autosave.save.completed";
const SAVES: u64 = 1000;
/// Over every phase's threshold.
const SLOW_MS: f64 = 9000.0;
const LOOK: Duration = Duration::from_millis(2);
/// Lets what the moves before have caused (texts, directives, the dashboard) be done: violations are rare.
pub(crate) const QUIET: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the rollout, sends the batch, waits for the command, and for the end of all of it.
pub(crate) async fn run(stack: &Stack, number: usize, start: Start) -> anyhow::Result<Marked> {
    let target = stack.targets.get(number % stack.targets.len()).context("no target")?;
    stack.first.commands.start_by(start);
    let path = format!("/v1/rollouts/{target}/start");
    stack.first.reporter.post_json::<_, Value>(&path, &json!({ "by": "bench" })).await.context("start")?;
    let rollout = until(stack, target, |it| it.state == RolloutState::Running).await?;
    let batch = violating(stack, target, (&rollout.phase, rollout.epoch), number)?;
    tokio::time::sleep(QUIET).await;
    stack.marks.begin();
    let sent = stack.first.analyzer.post_json::<_, Value>("/v1/batches", &batch);
    let (answer, started) =
        tokio::join!(sent, tokio::time::timeout(PATIENCE, stack.first.commands.started()));
    answer.context("the batch")?;
    started.context("the command was not started")?;
    until(stack, target, |it| it.state == RolloutState::Off).await?;
    // Only now: a command may begin before the commit that asked for it is logged.
    let marked = stack.marks.end();
    anyhow::ensure!(marked.complete(), "violation {number} was not seen at every hop: {marked:?}");
    Ok(marked)
}

async fn until(
    stack: &Stack,
    target: &TargetName,
    wanted: impl Fn(&Rollout) -> bool,
) -> anyhow::Result<Rollout> {
    let path = format!("/v1/rollouts/{target}");
    let looking = async {
        loop {
            let rollout: Rollout = stack.first.reporter.get_json(&path).await?;
            if wanted(&rollout) {
                return anyhow::Ok(rollout);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.context("the rollout does not get there")?
}

/// The batch of a window whose saves were all too slow, of a stay.
pub(crate) fn violating(
    stack: &Stack,
    target: &TargetName,
    stay: (&PhaseId, Epoch),
    number: usize,
) -> anyhow::Result<Batch> {
    batch(stack, target, stay, number, SLOW_MS)
}

/// The batch of a window whose saves all took so long, of a stay.
pub(crate) fn batch(
    stack: &Stack,
    target: &TargetName,
    (phase, epoch): (&PhaseId, Epoch),
    number: usize,
    save_ms: f64,
) -> anyhow::Result<Batch> {
    let start = stack.first_window.plus(WINDOW * u32::try_from(number)?);
    let window = Window { start, end: start.plus(WINDOW) };
    let mut histogram = Histogram::default();
    (0..SAVES).for_each(|_| histogram.record(save_ms));
    let quantile = |q| histogram.quantile(q).context("an empty histogram");
    let distribution = Distribution {
        unit: "ms".to_owned(),
        count: SAVES,
        p50: quantile(0.5)?,
        p95: quantile(0.95)?,
        p99: quantile(0.99)?,
        max: save_ms,
        histogram: histogram.encode(),
    };
    let counters = [(COMPLETED, SAVES), ("autosave.save.error", 0), ("autosave.history.drift", 0)];
    Ok(Batch {
        schema: SCHEMA.to_owned(),
        target: target.clone(),
        phase: phase.clone(),
        epoch,
        window,
        counters: counters.map(|(name, count)| (name.to_owned(), count)).into(),
        distributions: BTreeMap::from([(COMPLETED.to_owned(), distribution)]),
        buckets: BTreeMap::new(),
        breakdowns: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: Vec::new(),
        intake: Intake::default(),
        collector_latency_ms: 31_000,
        attempts: 1,
        source: "http".to_owned(),
        collected_at: window.end.plus(Duration::from_secs(31)),
        next_window: None,
        policy_version: None,
    })
}
