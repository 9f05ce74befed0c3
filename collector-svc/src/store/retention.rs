//! What is past its time goes.

use std::time::Duration;

use domain::policy::Retention;
use service_kit::retention::{History, Past};
use shared_types::Timestamp;

/// Keys are recognised for this long after the first answer.
const KEEP_ANSWERS: Duration = Duration::from_secs(48 * 3600);
/// A file that was not read for this long starts anew should it come back.
const KEEP_POSITIONS: Duration = Duration::from_secs(30 * 24 * 3600);

/// A batch that others have is kept here for this long, or for as long as batches, whichever is shorter.
const KEEP_DELIVERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the analyzer should have but has not stays, however old.
const WITH_NOBODY_WAITING: &str = "sent = 0 OR delivered_at_ms IS NOT NULL";
/// Analyzer and archive have it, and the target has a newer one to show.
const KEPT_ELSEWHERE: &str = "(sent = 0 OR delivered_at_ms IS NOT NULL) \
     AND window_start_ms < (SELECT MAX(window_start_ms) FROM batches AS newer WHERE newer.target = batches.target) \
     AND NOT EXISTS (SELECT 1 FROM outbox WHERE state NOT IN ('done', 'cancelled') \
         AND dedup_key = 'archive/' || batches.target || '/' || CAST(batches.window_start_ms AS TEXT))";

/// Batches that the analyzer has not got.
pub const HISTORY: History =
    History { past, older: "SELECT 1 FROM batches WHERE window_end_ms < $1 LIMIT 1" };

/// What may be forgotten by now: old answers, positions of files not seen for long, batches that others have or that are beyond their
/// retention.
#[must_use]
pub fn past(keep: Retention, now: Timestamp) -> Vec<Past> {
    let mut past = vec![
        Past::of("push_answers", "target, idempotency_key", "answered_at_ms", now.minus(KEEP_ANSWERS)),
        // Not by an index: there are few a target, and each commit would have to keep it.
        Past::of("source_positions", "target, file_id", "seen_at_ms", now.minus(KEEP_POSITIONS)),
    ];
    let batches = |kept| Past::of("batches", "target, window_start_ms", "window_end_ms", now.minus(kept));
    let delivered = keep.batches.map_or(KEEP_DELIVERED, |kept| kept.min(KEEP_DELIVERED));
    past.push(batches(delivered).only(KEPT_ELSEWHERE));
    past.extend(keep.batches.map(|kept| batches(kept).only(WITH_NOBODY_WAITING)));
    past
}
