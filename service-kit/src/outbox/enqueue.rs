//! Putting an effect into the caller's transaction.

use shared_types::Timestamp;
use uuid::Uuid;

use crate::db::{DbError, Tx};
use crate::trace_context;
use domain::effects::NewMessage;

/// Puts a message into the transaction; false if its key was there already. The current span becomes the parent of
/// the span it is done in.
///
/// # Errors
/// The database's.
pub async fn enqueue(tx: &mut Tx<'_>, message: &NewMessage, now: Timestamp) -> Result<bool, DbError> {
    let (payload, retry) =
        (tx.forms().payload(&message.form, &message.payload)?, tx.forms().text(&message.retry)?);
    let inserted = sqlx::query(
        "INSERT INTO outbox (id, dedup_key, lane, kind, subject, payload, retry, trace_parent, state, \
             due_at, next_at, enqueued_at, pace_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ready', $9, $10, $11, $12) ON CONFLICT (dedup_key) DO NOTHING",
    )
    .bind(new_id(now))
    .bind(message.dedup_key.as_str())
    .bind(message.lane.as_str())
    .bind(message.kind)
    .bind(message.subject.as_str())
    .bind(payload)
    .bind(retry)
    .bind(trace_context::trace_parent())
    .bind(message.due_at.as_millis())
    .bind(message.due_at.as_millis())
    .bind(now.as_millis())
    .bind(i64::try_from(message.pace.as_millis()).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if inserted == 0 {
        return Ok(false);
    }
    tx.touch_lane(&message.lane);
    Ok(true)
}

/// Ids sort by the time of enqueueing.
fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, nanos)).to_string()
}
