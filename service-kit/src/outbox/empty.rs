//! Lanes in which nothing is left: that of a past incident is never used again, and would stand there for ever.
//!
//! A lane's row is made by whoever puts something into it, so one that is empty may go at any time; that it may also be one that is
//! used every hour costs it one insert a day.

use shared_types::Timestamp;
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, DbError};

/// Lanes that are looked at together.
const AT_ONCE: i64 = 1_000;

const EMPTY: &str = "next_at IS NULL AND (rests_until IS NULL OR rests_until <= $3)";

/// Deletes the rows of all lanes that nothing waits in and that do not rest; how many went.
///
/// # Errors
/// The database's; what is left is left to the next time.
pub async fn forget_empty_lanes(db: &Db, now: Timestamp, stop: &CancellationToken) -> Result<u64, DbError> {
    let piece = format!(
        "SELECT MAX(lane), COUNT(CASE WHEN {EMPTY} THEN 1 END) FROM (SELECT * FROM outbox_lanes \
         WHERE lane > $1 ORDER BY lane LIMIT $2) AS piece"
    );
    // What somebody is just putting something into is passed over. Looked at once more under its lock; by the piece's bounds, so that no
    // piece reads all lanes.
    let delete = format!(
        "DELETE FROM outbox_lanes WHERE lane > $1 AND lane <= $2 AND {EMPTY} AND lane IN (SELECT lane FROM outbox_lanes \
         WHERE lane > $1 AND lane <= $2 AND {EMPTY} ORDER BY lane{})",
        db.skip_locked()
    );
    let (mut after, mut gone) = (String::new(), 0);
    while !stop.is_cancelled() {
        let looked = sqlx::query_as(AssertSqlSafe(piece.clone()))
            .bind(after.as_str())
            .bind(AT_ONCE)
            .bind(now.as_millis());
        let (last, empty): (Option<String>, i64) = db.answered(fetched(looked.fetch_one(db.pool()))).await?;
        let Some(last) = last else { break };
        if empty > 0 {
            let forgetting = async {
                let mut tx = db.begin().await?;
                let delete = sqlx::query(AssertSqlSafe(delete.clone()));
                let delete = delete.bind(after.as_str()).bind(last.as_str()).bind(now.as_millis());
                let rows = delete.execute(&mut *tx).await?.rows_affected();
                tx.commit().await?;
                Ok::<_, DbError>(rows)
            };
            gone += db.answered(forgetting).await?;
        }
        after = last;
        tokio::task::yield_now().await;
    }
    Ok(gone)
}

async fn fetched<T>(row: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DbError> {
    Ok(row.await?)
}
