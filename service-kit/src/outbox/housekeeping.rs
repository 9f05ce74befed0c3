//! Beside the worker: the outbox's gauges, and the end of rows that were finished long ago.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{WorkerOptions, purge, stats};
use crate::clock::Clock;
use crate::db::Db;

const PERIOD: Duration = Duration::from_secs(2);
/// Small enough not to hold up writers.
const PURGE_BATCH: u32 = 500;

/// Goes on until `shutdown`. A turn that fails is the next turn's work.
pub(super) async fn keep_house(
    db: Db,
    clock: Arc<dyn Clock>,
    options: WorkerOptions,
    shutdown: CancellationToken,
) {
    let mut turns = tokio::time::interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = turns.tick() => {}
        }
        let now = clock.now();
        if let Ok(stats) = db.answered(stats(&db, now)).await {
            let gauge =
                |name: &'static str, value| metrics::gauge!(name, "service" => options.service).set(value);
            gauge("phasegate_outbox_ready", as_f64(stats.ready));
            gauge("phasegate_outbox_dead", as_f64(stats.dead));
            gauge("phasegate_outbox_oldest_seconds", as_f64(stats.oldest_due_ms) / 1000.0);
        }
        let old = now.minus(options.keep_finished);
        if let Err(error) = db.answered(purge(&db, old, PURGE_BATCH)).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "finished rows were not deleted");
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
