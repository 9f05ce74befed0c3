//! What is sent: each target's windows, and what people do about a violation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use service_kit::outbox::Outcome;
use shared_types::incident::Incident;
use shared_types::rollout::{Rollout, RolloutState};
use shared_types::{Epoch, Page, PhaseId, TargetName, Timestamp};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::latency::incident::{batch, violating};
use crate::latency::stack::Stack;
use crate::latency::wanted::WINDOW;

const EVERY: Duration = Duration::from_secs(1);
/// Below every phase's limit.
const FAST_MS: f64 = 500.0;
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// Early enough for a window a second to end before now.
pub(super) fn first_window(begins: Timestamp, minutes: u64) -> Timestamp {
    begins.minus(WINDOW * u32::try_from(60 * minutes).unwrap_or(u32::MAX))
}

/// Counts what was done.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    windows: AtomicUsize,
    incidents: AtomicUsize,
}

impl Traffic {
    pub(super) fn windows(&self) -> usize {
        self.windows.load(Ordering::Relaxed)
    }

    pub(super) fn told(&self) -> String {
        let incidents = self.incidents.load(Ordering::Relaxed);
        format!("{} windows were judged, {incidents} incidents closed", self.windows())
    }

    /// Sends one target's windows until `stop`. Each target has its turn at violating at another time.
    pub(super) async fn of_target(
        self: Arc<Self>,
        stack: Arc<Stack>,
        which: usize,
        incident_every: usize,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (phase, mut epoch) = (PhaseId::parse("A")?, 1);
        let target = stack.targets.get(which).context("no target")?;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let turn = which * incident_every / stack.targets.len();
        for number in 0.. {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let violates = number % incident_every == turn && number > 0;
            let stay = (&phase, epoch);
            let sent = if violates {
                violating(&stack, target, stay, number)
            } else {
                batch(&stack, target, stay, number, FAST_MS)
            }?;
            let outcome = stack.first.analyzer.deliver_together("/v1/batches", &sent).await;
            anyhow::ensure!(matches!(outcome, Outcome::Done(_)), "a batch of {target}: {outcome:?}");
            self.windows.fetch_add(1, Ordering::Relaxed);
            if violates {
                let mended = tokio::time::timeout(PATIENCE, mend(&stack, target)).await;
                epoch = mended.with_context(|| format!("{target} is not mended"))??;
                self.incidents.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

/// Until the target is off and its incident closed, as people would have it; then it starts again. The epoch that begins.
async fn mend(stack: &Stack, target: &TargetName) -> anyhow::Result<Epoch> {
    let reporter = &stack.first.reporter;
    until(stack, target, |it| it.state == RolloutState::Off && it.incident.is_none()).await?;
    let newest: Page<Incident> = reporter.get_json(&format!("/v1/incidents?target={target}&limit=1")).await?;
    let incident = newest.items.first().context("no incident")?;
    let path = format!("/v1/incidents/{}/rca", incident.id);
    let cause = json!({ "cause": "the lock", "prevention": "shard it", "by": "bo" });
    reporter.put_json::<_, Value>(&path, &cause).await.context("the cause")?;
    let confirmed = json!({ "comment": "seen", "by": "governance" });
    let closed: Incident = reporter.post_json(&format!("{path}/confirmation"), &confirmed).await?;
    anyhow::ensure!(closed.state.is_closed(), "{} is {:?}", closed.id, closed.state);
    let start = format!("/v1/rollouts/{target}/start");
    reporter.post_json::<_, Value>(&start, &json!({ "by": "bo" })).await.context("start")?;
    Ok(until(stack, target, |it| it.state == RolloutState::Running).await?.epoch)
}

async fn until(
    stack: &Stack,
    target: &TargetName,
    wanted: impl Fn(&Rollout) -> bool,
) -> anyhow::Result<Rollout> {
    let path = format!("/v1/rollouts/{target}");
    loop {
        let rollout: Rollout = stack.first.reporter.get_json(&path).await?;
        if wanted(&rollout) {
            return Ok(rollout);
        }
        tokio::time::sleep(LOOK).await;
    }
}
