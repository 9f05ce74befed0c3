//! Somebody who can speak to the services and makes things up: batches and decisions of stays that never were (OP-4), further
//! beyond than a restored store can be behind (OP-3).

use std::time::Duration;

use rand::RngExt as _;
use serde_json::json;
use shared_types::{Epoch, TargetName, Timestamp};

use crate::people::Call;
use crate::replica::Service;
use crate::scheduler::Scheduler;

/// Of the windows they tell of: the newest that is over.
const WINDOW: Duration = Duration::from_secs(900);
/// Every policy version that they name.
pub const POLICY: &str = "sha256:made-up";

/// What they send now, if anything: one in five times, a decision or a batch of an epoch to come.
#[must_use]
pub fn look(scheduler: &Scheduler, target: &TargetName, epoch: Epoch, now: Timestamp) -> Option<Call> {
    let (speaks, decides, beyond, id) = scheduler.draw(|_, rng, _| {
        let beyond = if rng.random_bool(0.5) { rng.random_range(1001..5000) } else { (1 << 62) - epoch };
        (rng.random_bool(0.2), rng.random_bool(0.5), beyond, rng.random_range(0..1_u64 << 48))
    });
    if !speaks {
        return None;
    }
    let start = now.align_down(WINDOW).minus(WINDOW);
    let window = json!({ "start": start, "end": start.plus(WINDOW) });
    let epoch = epoch + beyond;
    if decides {
        scheduler.met("forged decisions");
        let body = json!({
            "schema": "phasegate.decision/1", "decision_id": format!("00000000-0000-4000-8000-{id:012x}"), "target": target, "phase": "A",
            "epoch": epoch, "window": window, "verdict": "violation", "rollback_required": true, "cause": "slo",
            "metrics": [], "violated": ["error_rate"], "policy_version": POLICY, "decided_at": now,
        });
        return Some(Call::post("/v1/decisions".to_owned(), body));
    }
    scheduler.met("forged batches");
    let body = json!({
        "schema": "phasegate.batch/1", "target": target, "phase": "A", "epoch": epoch, "window": window,
        "counters": { "autosave.save.completed": 900, "autosave.save.error": 0, "autosave.history.drift": 0 },
        "distributions": {}, "breakdowns": {},
        "intake": { "malformed": 0, "late": 0, "duplicates": 0, "unknown": 0 },
        "collector_latency_ms": 30_000, "attempts": 1, "source": "http", "collected_at": now,
    });
    Some(Call { of: Service::Analyzer, ..Call::post("/v1/batches".to_owned(), body) })
}
