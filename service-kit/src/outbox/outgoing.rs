//! Rows on their way into the outbox, which their transaction's commit puts in together.

use std::time::Duration;

use domain::effects::RetrySchedule;
use shared_types::Timestamp;
use sqlx::{AssertSqlSafe, Row as _};

use super::handover::{Begun, Crew};
use super::lane::Standings;
use crate::db::{DbError, Session, rows_at_once};

const COLUMNS: [&str; 15] = [
    "id",
    "dedup_key",
    "lane",
    "kind",
    "subject",
    "payload",
    "retry",
    "trace_parent",
    "due_at",
    "enqueued_at",
    "pace_ms",
    "next_at",
    "state",
    "leased_by",
    "claims",
];

/// A row on its way into the outbox.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) id: String,
    pub(super) dedup_key: String,
    pub(crate) lane: String,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    /// As it is kept.
    pub(super) payload: String,
    pub(super) retry_text: String,
    pub(super) retry: RetrySchedule,
    pub(super) trace_parent: Option<String>,
    pub(super) due_at: Timestamp,
    pub(super) enqueued_at: Timestamp,
    pub(super) pace: Duration,
}

/// Puts rows in, in their order; the caller holds their lanes. What can be begun here at once is leased with it, and returned.
///
/// # Errors
/// The database's.
pub(crate) async fn put(
    session: &mut Session,
    rows: &[Outgoing],
    mut lanes: Standings,
    crew: Option<&Crew>,
) -> Result<Vec<Begun>, DbError> {
    let mut begun = Vec::new();
    for rows in rows.chunks(rows_at_once(COLUMNS.len())) {
        let mut leases: Vec<Option<Begun>> = Vec::with_capacity(rows.len());
        for row in rows {
            // Only the first of a lane, and only where nothing stands before it.
            let free = lanes.remove(&row.lane).is_some_and(|it| crew.is_some_and(|crew| crew.is_free(&it)));
            leases.push(crew.filter(|_| free).and_then(|crew| crew.take(row)).transpose()?);
        }
        let written = insert(session, rows, &leases, crew.map_or("", Crew::worker)).await?;
        begun.extend(leases.into_iter().flatten().filter(|it| written.contains(&it.claim.id)));
    }
    Ok(begun)
}

/// The ids of those that were not there yet.
async fn insert(
    session: &mut Session,
    rows: &[Outgoing],
    leases: &[Option<Begun>],
    worker: &str,
) -> Result<Vec<String>, DbError> {
    let sql = format!(
        "INSERT INTO outbox ({}) VALUES {} ON CONFLICT (dedup_key) DO NOTHING RETURNING id",
        COLUMNS.join(", "),
        session.rows_of_places(rows.len(), COLUMNS.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (row, lease) in rows.iter().zip(leases) {
        let next_at = lease.as_ref().map_or(row.due_at, |it| it.claim.lease_until);
        query = query
            .bind(row.id.as_str())
            .bind(row.dedup_key.as_str())
            .bind(row.lane.as_str())
            .bind(row.kind)
            .bind(row.subject.as_str())
            .bind(row.payload.as_str())
            .bind(row.retry_text.as_str())
            .bind(row.trace_parent.as_deref())
            .bind(row.due_at.as_millis())
            .bind(row.enqueued_at.as_millis())
            .bind(i64::try_from(row.pace.as_millis()).unwrap_or(i64::MAX))
            .bind(next_at.as_millis())
            .bind(if lease.is_some() { "leased" } else { "ready" })
            .bind(lease.as_ref().map(|_| worker))
            .bind(lease.as_ref().map_or(0, |it| it.claim.fence));
    }
    let written = query.fetch_all(&mut *session).await?;
    written.iter().map(|row| Ok(row.try_get("id")?)).collect()
}
