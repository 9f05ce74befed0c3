//! The tables of replicas and forms.

use std::collections::BTreeMap;

use shared_types::Timestamp;
use sqlx::AssertSqlSafe;

use crate::db::{Db, DbError, Tx};

/// A replica that lives.
pub(super) struct Living {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) reads: BTreeMap<String, u32>,
}

/// Holds the mark, so that joining and allowing go one after the other; when a replica that knows of forms joined first.
pub(super) async fn lock(db: &Db, tx: &mut Tx<'_>, now: Timestamp) -> Result<Timestamp, DbError> {
    let sql = format!("SELECT made_at FROM stored_marks WHERE id = 1{}", db.for_update());
    let (made_at,): (Option<i64>,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut **tx).await?;
    if let Some(made_at) = made_at {
        return Ok(Timestamp::from_millis(made_at));
    }
    let mark = "UPDATE stored_marks SET made_at = $1 WHERE id = 1";
    sqlx::query(mark).bind(now.as_millis()).execute(&mut **tx).await?;
    Ok(now)
}

/// The newest form of each kind that may have been written, where it is above the first.
pub(super) async fn allowed(tx: &mut Tx<'_>) -> Result<BTreeMap<String, u32>, DbError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, MAX(form) FROM stored_forms GROUP BY kind").fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(|(kind, form)| (kind, u32::try_from(form).unwrap_or(u32::MAX))).collect())
}

/// Says that a form may be written from now on.
pub(super) async fn allow(tx: &mut Tx<'_>, kind: &str, form: u32, now: Timestamp) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO stored_forms (kind, form, allowed_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(kind)
    .bind(i64::from(form))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down that a replica lives; forgets those not seen since `gone`.
pub(super) async fn seen(
    tx: &mut Tx<'_>,
    replica: &str,
    service: &str,
    reads: &BTreeMap<String, u32>,
    gone: Timestamp,
    now: Timestamp,
) -> Result<(), DbError> {
    let reads = serde_json::to_string(reads).map_err(|error| DbError::decode("forms of a replica", error))?;
    sqlx::query(
        "INSERT INTO stored_replicas (replica, service, reads, seen_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (replica) DO UPDATE SET reads = excluded.reads, seen_at = excluded.seen_at",
    )
    .bind(replica)
    .bind(service)
    .bind(reads)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let forget = "DELETE FROM stored_replicas WHERE seen_at < $1";
    sqlx::query(forget).bind(gone.as_millis()).execute(&mut **tx).await?;
    Ok(())
}

/// All replicas that are not forgotten.
pub(super) async fn living(tx: &mut Tx<'_>) -> Result<Vec<Living>, DbError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT replica, service, reads FROM stored_replicas").fetch_all(&mut **tx).await?;
    let read = |(id, service, reads): (String, String, String)| {
        let reads =
            serde_json::from_str(&reads).map_err(|error| DbError::decode("forms of a replica", error))?;
        Ok(Living { id, service, reads })
    };
    rows.into_iter().map(read).collect()
}

/// Takes a replica off that ends.
pub(super) async fn leave(tx: &mut Tx<'_>, replica: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM stored_replicas WHERE replica = $1").bind(replica).execute(&mut **tx).await?;
    Ok(())
}
