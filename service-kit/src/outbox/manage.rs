//! What people and housekeeping do to rows.

use shared_types::Timestamp;

use crate::db::{Db, DbError, Tx};

/// A person retries a dead row: due now, with its whole schedule before it again. False if it is not dead.
///
/// # Errors
/// The database's.
pub async fn retry_dead(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, DbError> {
    let lane: Option<(String,)> = sqlx::query_as(
        "UPDATE outbox SET state = 'ready', due_at = $2, next_at = $2, step = 0, kind_unknown_since = NULL, \
             finished_at = NULL \
         WHERE id = $1 AND state = 'dead' RETURNING lane",
    )
    .bind(id)
    .bind(now.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(touch(tx, lane))
}

/// Takes back what nobody works at, by id or dedup key: it waits, or it was given up and a person has dealt with it in
/// another way. False if it is being done, or finished, or not there.
///
/// # Errors
/// The database's.
pub async fn cancel(tx: &mut Tx<'_>, id_or_dedup_key: &str, now: Timestamp) -> Result<bool, DbError> {
    let lane: Option<(String,)> = sqlx::query_as(
        "UPDATE outbox SET state = 'cancelled', finished_at = $2 \
         WHERE (id = $1 OR dedup_key = $1) AND state IN ('ready', 'dead') RETURNING lane",
    )
    .bind(id_or_dedup_key)
    .bind(now.as_millis())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(touch(tx, lane))
}

/// Deletes up to `limit` done and cancelled rows that finished before `before`; dead rows stay until a person deals
/// with them. Returns how many went.
///
/// # Errors
/// The database's.
pub async fn purge(db: &Db, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    // Read first: on SQLite nothing is locked while there is nothing to do.
    let first: Option<(i64,)> = sqlx::query_as(
        "SELECT seq FROM outbox WHERE state IN ('done', 'cancelled') AND finished_at < $1 LIMIT 1",
    )
    .bind(before.as_millis())
    .fetch_optional(db.pool())
    .await?;
    if first.is_none() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    let gone = sqlx::query(
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox \
             WHERE state IN ('done', 'cancelled') AND finished_at < $1 ORDER BY finished_at LIMIT $2)",
    )
    .bind(before.as_millis())
    .bind(i64::from(limit))
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(gone)
}

fn touch(tx: &mut Tx<'_>, lane: Option<(String,)>) -> bool {
    match lane {
        Some((lane,)) => {
            tx.touch_lane(&lane);
            true
        }
        None => false,
    }
}
