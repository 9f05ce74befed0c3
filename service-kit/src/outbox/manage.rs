//! What people and housekeeping do to rows.

use shared_types::Timestamp;

use super::Claim;
use crate::db::{Db, DbError, Tx};
use crate::retention::Past;

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

/// A row that was claimed and not begun is anybody's again. Nothing is done if it is not this claim's any more.
///
/// # Errors
/// The database's.
pub(super) async fn give_back(db: &Db, claim: &Claim) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    let lane: Option<(String,)> = sqlx::query_as(
        "UPDATE outbox SET state = 'ready', leased_by = NULL, next_at = due_at \
         WHERE id = $1 AND claims = $2 AND state = 'leased' RETURNING lane",
    )
    .bind(claim.id.as_str())
    .bind(claim.fence)
    .fetch_optional(&mut *tx)
    .await?;
    touch(&mut tx, lane);
    tx.commit().await
}

/// Done and cancelled rows that finished before; dead ones stay until a person deals with them.
#[must_use]
pub const fn finished(before: Timestamp) -> Past {
    Past::of("outbox", "seq", "finished_at", before).only("state IN ('done', 'cancelled')")
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
