//! What is past its retention goes, some at a time.

use service_kit::db::{Db, DbError};
use shared_types::Timestamp;
use sqlx::AssertSqlSafe;

use super::Store;

const OF_NO_OPEN_CASE: &str =
    "(incident IS NULL OR incident NOT IN (SELECT id FROM incidents WHERE state <> 'closed'))";

impl Store {
    /// Forgets events of vendors that came before, some at a time; returns how many went.
    pub async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64, DbError> {
        delete(&self.db, "webhook_events", "received_at", "TRUE", before, limit).await
    }

    /// Deletes decisions and notifications older than these, some at a time; returns how many went. What an incident stands
    /// on that is not closed stays, however old.
    pub async fn forget(
        &self,
        decisions_before: Option<Timestamp>,
        notifications_before: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, DbError> {
        let mut gone = 0;
        if let Some(before) = decisions_before {
            gone += delete(&self.db, "decisions", "received_at", OF_NO_OPEN_CASE, before, limit).await?;
        }
        if let Some(before) = notifications_before {
            gone += delete(&self.db, "notifications", "created_at", OF_NO_OPEN_CASE, before, limit).await?;
        }
        Ok(gone)
    }
}

pub(super) async fn delete(
    db: &Db,
    table: &'static str,
    time: &'static str,
    only: &'static str,
    before: Timestamp,
    limit: u32,
) -> Result<u64, DbError> {
    let some = format!("SELECT id FROM {table} WHERE {time} < $1 AND {only} ORDER BY {time} LIMIT $2");
    let first = sqlx::query(AssertSqlSafe(some.clone()))
        .bind(before.as_millis())
        .bind(1_i64)
        .fetch_optional(db.pool())
        .await?;
    if first.is_none() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    let gone = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE id IN ({some})")))
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&mut *tx)
        .await?
        .rows_affected();
    tx.commit().await?;
    Ok(gone)
}
