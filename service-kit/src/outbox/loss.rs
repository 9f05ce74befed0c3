//! Rows that were given up and that people have not been told of (NO-7). However a row died, it is found here: by its last
//! refusal, by the end of its schedule, or because nobody could read it.

use super::MessageView;
use super::view::{COLUMNS, read_view};
use crate::db::{Db, DbError, Tx};

const UNTOLD: &str = "state = 'dead' AND (loss_told IS NULL OR loss_told < claims)";

/// The oldest of them.
///
/// # Errors
/// The database's.
pub async fn losses(db: &Db, limit: u32) -> Result<Vec<MessageView>, DbError> {
    let sql = format!("{COLUMNS} WHERE {UNTOLD} ORDER BY seq LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(db.pool()).await?;
    rows.iter().map(read_view).collect()
}

/// All that is given up now, told or not; the newest first.
///
/// # Errors
/// The database's.
pub async fn given_up(db: &Db, limit: u32) -> Result<Vec<MessageView>, DbError> {
    // In so many words, as the index of dead rows has them.
    let sql = format!("{COLUMNS} WHERE state = 'dead' ORDER BY seq DESC LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(db.pool()).await?;
    rows.iter().map(read_view).collect()
}

/// Marks one as told in the transaction that tells it; false if another replica was first, or it is tried again.
///
/// # Errors
/// The database's.
pub async fn take_loss(tx: &mut Tx<'_>, id: &str) -> Result<bool, DbError> {
    let sql = format!("UPDATE outbox SET loss_told = claims WHERE id = $1 AND {UNTOLD}");
    let taken = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(&mut **tx).await?;
    Ok(taken.rows_affected() == 1)
}
