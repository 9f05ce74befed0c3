//! What is past its time goes.

use std::time::Duration;

use domain::policy::Retention;
use service_kit::retention::{History, Past};
use shared_types::Timestamp;

/// Refused batches are there to be looked at, for this long or as long as batches, whichever is shorter.
const REFUSED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A decision stays at least as long as its batch. It is looked for row by row: with OFFSET PostgreSQL does not make a join of it, for
/// which it would read all batches, again for each piece.
const WITHOUT_A_BATCH: &str =
    "NOT EXISTS (SELECT 1 FROM batches WHERE batches.decision_id = decisions.decision_id LIMIT 1 OFFSET 0)";

const WITH_HISTOGRAMS: &str = "histograms IS NOT NULL";

/// Decisions are explained by the text that they name.
pub const HISTORY: History =
    History { past, older: "SELECT 1 FROM decisions WHERE window_start_ms < $1 LIMIT 1" };

/// What may be forgotten by now.
#[must_use]
pub fn past(keep: Retention, now: Timestamp) -> Vec<Past> {
    let refused = keep.batches.map_or(REFUSED_KEPT, |batches| batches.min(REFUSED_KEPT));
    let refused = Past::of(
        "refused_batches",
        "target, window_start_ms, batch_hash",
        "received_at_ms",
        now.minus(refused),
    );
    let mut past = vec![refused];
    let batches = |before| Past::of("batches", "target, window_start_ms", "window_start_ms", before);
    if let Some(kept) = keep.batches {
        let before = now.minus(kept);
        past.push(batches(before));
        // What was heard beside them.
        past.push(Past::of("collector_events", "event_id", "received_at_ms", before));
    }
    // After those that go whole, which need not be written once more.
    past.extend(keep.histograms.map(|kept| batches(now.minus(kept)).column("histograms", WITH_HISTOGRAMS)));
    // After the batches, so that they go in the same turn.
    past.extend(keep.decisions.map(|kept| {
        Past::of("decisions", "decision_id", "window_start_ms", now.minus(kept)).only(WITHOUT_A_BATCH)
    }));
    past
}
