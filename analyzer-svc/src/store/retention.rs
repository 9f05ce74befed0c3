//! What is past its retention goes, some at a time.

use service_kit::db::{Db, DbError};
use shared_types::Timestamp;
use sqlx::Executor as _;

use super::Store;

const FORGET_WITH_BATCHES: [&str; 2] = [
    "DELETE FROM batches WHERE (target, window_start_ms) IN (SELECT target, window_start_ms FROM batches \
         WHERE window_start_ms < $1 ORDER BY window_start_ms LIMIT $2)",
    "DELETE FROM collector_events WHERE event_id IN \
         (SELECT event_id FROM collector_events WHERE received_at_ms < $1 LIMIT $2)",
];
const FORGET_REFUSED: &str = "DELETE FROM refused_batches WHERE (target, window_start_ms, batch_hash) IN \
     (SELECT target, window_start_ms, batch_hash FROM refused_batches WHERE received_at_ms < $1 LIMIT $2)";
const FORGET_DECISIONS: &str = "DELETE FROM decisions WHERE decision_id IN (SELECT decision_id FROM decisions AS d \
     WHERE window_start_ms < $1 AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.decision_id = d.decision_id) \
     ORDER BY window_start_ms LIMIT $2)";

impl Store {
    /// Deletes at most `limit` of the batches that were refused before then. Says whether more is left to delete.
    pub async fn forget_refused(&self, before: Timestamp, limit: u32) -> Result<bool, DbError> {
        delete_some(&self.db, FORGET_REFUSED, before, limit).await
    }

    /// Deletes at most `limit` each of the batches (with what was heard beside them) and of the decisions
    /// whose windows began before these times; a decision stays at least as long as its batch. Says whether more is
    /// left to delete.
    pub async fn forget(
        &self,
        batches: Option<Timestamp>,
        decisions: Option<Timestamp>,
        limit: u32,
    ) -> Result<bool, DbError> {
        let mut full = false;
        if let Some(before) = batches {
            for sql in FORGET_WITH_BATCHES {
                full |= delete_some(&self.db, sql, before, limit).await?;
            }
        }
        if let Some(before) = decisions {
            full |= delete_some(&self.db, FORGET_DECISIONS, before, limit).await?;
        }
        Ok(full)
    }
}

/// True: as many as it may, so there may be more.
async fn delete_some(db: &Db, sql: &'static str, before: Timestamp, limit: u32) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    let delete = sqlx::query(sql).bind(before.as_millis()).bind(i64::from(limit));
    let deleted = tx.execute(delete).await?.rows_affected();
    tx.commit().await?;
    Ok(deleted >= u64::from(limit))
}
