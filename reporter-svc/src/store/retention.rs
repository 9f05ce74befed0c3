//! What is past its time goes.

use std::time::Duration;

use domain::policy::Retention;
use service_kit::retention::{History, Past};
use shared_types::Timestamp;

/// How long a repeated event of a vendor is known; they repeat for a day at most.
const EVENTS_KNOWN: Duration = Duration::from_secs(48 * 3600);

/// A repeat of an act is known for this long: who gets no answer asks again within minutes.
const ACTS_KNOWN: Duration = Duration::from_secs(30 * DAY);
/// Only the newest day's report is ever due.
const REPORTS_KNOWN: Duration = Duration::from_secs(30 * DAY);
/// How long a vendor may tell of a page that is not about an open case.
const PAGES_KNOWN: Duration = Duration::from_secs(90 * DAY);
const DAY: u64 = 24 * 3600;

/// A page may be about any incident that was open when its name was learned.
const OF_NO_CASE_SINCE: &str =
    "learned_at < COALESCE((SELECT MIN(opened_at) FROM incidents WHERE state <> 'closed'), learned_at + 1)";

/// What an incident stands on that is not closed stays, however old.
const OF_NO_OPEN_CASE: &str =
    "incident IS NULL OR incident NOT IN (SELECT id FROM incidents WHERE state <> 'closed')";

/// An incident that is not closed is about the version it opened under.
pub const HISTORY: History =
    History { past, older: "SELECT 1 FROM incidents WHERE state <> 'closed' AND opened_at < $1 LIMIT 1" };

/// What may be forgotten by now.
#[must_use]
pub fn past(keep: Retention, now: Timestamp) -> Vec<Past> {
    let mut past = vec![
        // As they would have ended by themselves.
        Past::of("ended_sessions", "id", "forget_at", now),
        Past::of("webhook_events", "id", "received_at", now.minus(EVENTS_KNOWN)),
        Past::of("acts", "request_id", "at", now.minus(ACTS_KNOWN)),
        Past::of("daily_reports", "target, date", "made_at", now.minus(REPORTS_KNOWN)),
        Past::of("pages", "id", "learned_at", now.minus(PAGES_KNOWN)).only(OF_NO_CASE_SINCE),
    ];
    let kept =
        [("decisions", "received_at", keep.decisions), ("notifications", "created_at", keep.notifications)];
    for (table, time, kept) in kept {
        past.extend(kept.map(|kept| Past::of(table, "id", time, now.minus(kept)).only(OF_NO_OPEN_CASE)));
    }
    // A day goes with the last of its decisions.
    past.extend(keep.decisions.map(|kept| {
        let day = Duration::from_secs(DAY);
        Past::of("days", "target, day, metric", "day", now.minus(kept.saturating_add(day)))
    }));
    past
}
