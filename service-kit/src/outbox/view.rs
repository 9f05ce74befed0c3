//! What people and metrics see of the outbox.

use serde::Serialize;
use shared_types::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::claim::count;
use crate::db::{Db, DbError};

/// What an operator sees of a row.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MessageView {
    pub id: String,
    pub dedup_key: String,
    pub lane: String,
    pub kind: String,
    pub subject: String,
    /// `ready`, `leased`, `done`, `dead`, `cancelled`
    pub state: String,
    pub claims: i64,
    pub failures: u32,
    pub unknowns: u32,
    pub enqueued_at: Timestamp,
    /// `ready`: not before; `leased`: when the lease ends
    pub due_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub outcome: Option<serde_json::Value>,
    pub payload: serde_json::Value,
}

/// Which rows to list; `None` means all.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    pub state: Option<String>,
    pub lane: Option<String>,
    pub kind: Option<String>,
    pub subject: Option<String>,
}

/// Rows, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    pub items: Vec<MessageView>,
    /// Give it as `before` for the page after this one; none on the last.
    pub next: Option<i64>,
}

/// Depth and age, for `/readyz`, `/metrics`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutboxStats {
    /// Not finished: waiting, due or being done.
    pub ready: u64,
    pub dead: u64,
    /// Age of the oldest row that is due, in milliseconds.
    pub oldest_due_ms: u64,
    /// Lanes whose head has failed at least once, with their last error; 20 at most.
    pub failing_lanes: Vec<(String, String)>,
}

pub(super) const COLUMNS: &str = "SELECT seq, id, dedup_key, lane, kind, subject, payload, state, next_at, claims, failures, \
     unknowns, enqueued_at, finished_at, last_error, outcome FROM outbox";

/// Depth and age.
///
/// # Errors
/// The database's.
pub async fn stats(db: &Db, now: Timestamp) -> Result<OutboxStats, DbError> {
    let pending = sqlx::query(
        "SELECT COUNT(*) AS depth, MIN(due_at) AS oldest FROM outbox WHERE state IN ('ready', 'leased')",
    )
    .fetch_one(db.pool())
    .await?;
    let (dead,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM outbox WHERE state = 'dead'").fetch_one(db.pool()).await?;
    let failing: Vec<(String, String)> = sqlx::query_as(
        "SELECT lane, COALESCE(last_error, '') FROM outbox \
         WHERE state IN ('ready', 'leased') AND failures + unknowns > 0 ORDER BY lane LIMIT 20",
    )
    .fetch_all(db.pool())
    .await?;
    let oldest: Option<i64> = pending.try_get("oldest")?;
    let oldest = oldest.map_or(0, |due| now.since(Timestamp::from_millis(due)).as_millis());
    Ok(OutboxStats {
        ready: u64::try_from(pending.try_get::<i64, _>("depth")?).unwrap_or(0),
        dead: u64::try_from(dead).unwrap_or(0),
        oldest_due_ms: u64::try_from(oldest).unwrap_or(u64::MAX),
        failing_lanes: failing,
    })
}

/// Rows newest first, from `before` (exclusive) on.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &Db,
    filter: &ListFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<MessagePage, DbError> {
    let wanted = [
        ("state", filter.state.as_deref()),
        ("lane", filter.lane.as_deref()),
        ("kind", filter.kind.as_deref()),
        ("subject", filter.subject.as_deref()),
    ];
    let wanted: Vec<_> = wanted.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    let limit = i64::from(limit.max(1));
    let mut sql = format!("{COLUMNS} WHERE seq < $1");
    for (index, (column, _)) in wanted.iter().enumerate() {
        sql.push_str(&format!(" AND {column} = ${}", index + 3));
    }
    sql.push_str(" ORDER BY seq DESC LIMIT $2");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(before.unwrap_or(i64::MAX)).bind(limit);
    for (_, value) in &wanted {
        query = query.bind(*value);
    }
    let rows = query.fetch_all(db.pool()).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found == limit);
    let next = match rows.last() {
        Some(last) if full => Some(last.try_get("seq")?),
        _ => None,
    };
    Ok(MessagePage { items: rows.iter().map(read_view).collect::<Result<_, _>>()?, next })
}

/// One row, by id or dedup key.
///
/// # Errors
/// The database's.
pub async fn get(db: &Db, id_or_dedup_key: &str) -> Result<Option<MessageView>, DbError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1 OR dedup_key = $1")))
        .bind(id_or_dedup_key)
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(read_view).transpose()
}

pub(super) fn read_view(row: &AnyRow) -> Result<MessageView, DbError> {
    let json = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text).map_err(|error| DbError::decode("outbox JSON", error))
    };
    let outcome: Option<String> = row.try_get("outcome")?;
    let finished_at: Option<i64> = row.try_get("finished_at")?;
    Ok(MessageView {
        id: row.try_get("id")?,
        dedup_key: row.try_get("dedup_key")?,
        lane: row.try_get("lane")?,
        kind: row.try_get("kind")?,
        subject: row.try_get("subject")?,
        state: row.try_get("state")?,
        claims: row.try_get("claims")?,
        failures: count(row, "failures")?,
        unknowns: count(row, "unknowns")?,
        enqueued_at: Timestamp::from_millis(row.try_get("enqueued_at")?),
        due_at: Timestamp::from_millis(row.try_get("next_at")?),
        finished_at: finished_at.map(Timestamp::from_millis),
        last_error: row.try_get("last_error")?,
        outcome: outcome.as_deref().map(json).transpose()?,
        payload: json(&row.try_get::<String, _>("payload")?)?,
    })
}
