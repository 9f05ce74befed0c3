//! Beside the worker: the outbox's gauges, and the end of rows that were finished long ago and of lanes that are empty.

use std::sync::Arc;
use std::time::Duration;

use shared_types::Timestamp;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{WorkerOptions, finished, forget_empty_lanes, stats};
use crate::clock::Clock;
use crate::db::Db;
use crate::{retention, seldom};

const PERIOD: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Goes on until `shutdown`. A turn that fails is the next turn's work.
pub(super) async fn keep_house(
    db: Db,
    clock: Arc<dyn Clock>,
    options: WorkerOptions,
    shutdown: CancellationToken,
) {
    let WorkerOptions { service, keep_finished, .. } = options;
    let past = move |now: Timestamp| vec![finished(now.minus(keep_finished))];
    let forgetting = retention::run(db.clone(), Arc::clone(&clock), past, shutdown.clone());
    // However much is to be forgotten, the gauges go on.
    tokio::join!(show(&db, &*clock, service, &shutdown), forgetting, sweep(&db, &*clock, &shutdown));
}

async fn show(db: &Db, clock: &dyn Clock, service: &'static str, shutdown: &CancellationToken) {
    let mut turns = tokio::time::interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = turns.tick() => {}
        }
        if let Ok(stats) = db.answered(stats(db, clock.now())).await {
            let gauge = |name: &'static str, value| metrics::gauge!(name, "service" => service).set(value);
            gauge("phasegate_outbox_ready", as_f64(stats.ready));
            gauge("phasegate_outbox_dead", as_f64(stats.dead));
            gauge("phasegate_outbox_oldest_seconds", as_f64(stats.oldest_due_ms) / 1000.0);
        }
    }
}

async fn sweep(db: &Db, clock: &dyn Clock, shutdown: &CancellationToken) {
    loop {
        if let Err(error) = forget_empty_lanes(db, clock.now(), shutdown).await {
            seldom!(warn, "empty lanes of the outbox were not deleted; trying on", &error);
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(DAY) => {}
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
