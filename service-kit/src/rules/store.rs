//! Which rules were in force when, and what they said: the tables `rules` and `rules_log`.

use std::collections::BTreeMap;

use shared_types::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Rules, RulesId};
use crate::db::{Db, DbError, Tx};

/// Rules as they were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) body: String,
    pub(super) texts: BTreeMap<String, String>,
    pub(super) first_seen_at: Timestamp,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) from: Timestamp,
    pub(super) id: RulesId,
}

/// The newest entry.
pub(super) async fn newest(db: &Db) -> Result<Option<Entry>, DbError> {
    Ok(entries(db, None, 1).await?.pop())
}

/// Entries newest first, from `before` (exclusive) on.
pub(super) async fn entries(db: &Db, before: Option<i64>, limit: u32) -> Result<Vec<Entry>, DbError> {
    let rows = sqlx::query(
        "SELECT seq, in_force_from, version, texts_version FROM rules_log WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
    )
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(db.pool())
    .await?;
    rows.iter().map(entry).collect()
}

/// The rules that were in force at a moment; the oldest for a moment before all of them.
pub(super) async fn id_at(db: &Db, moment: Timestamp) -> Result<Option<RulesId>, DbError> {
    let row = sqlx::query(
        "SELECT seq, in_force_from, version, texts_version FROM rules_log WHERE in_force_from <= $1 \
         ORDER BY in_force_from DESC, seq DESC LIMIT 1",
    )
    .bind(moment.as_millis().max(0))
    .fetch_optional(db.pool())
    .await?;
    let found = match row {
        Some(row) => Some(entry(&row)?),
        None => entries_from(db, 0).await?.into_iter().next(),
    };
    Ok(found.map(|entry| entry.id))
}

/// The entry in force at a moment and those after it, oldest first.
pub(super) async fn since(db: &Db, moment: Timestamp) -> Result<Vec<(Timestamp, RulesId)>, DbError> {
    let rows = sqlx::query(
        "SELECT seq, in_force_from, version, texts_version FROM rules_log WHERE in_force_from >= \
         (SELECT COALESCE(MAX(in_force_from), 0) FROM rules_log WHERE in_force_from <= $1) \
         ORDER BY in_force_from, seq",
    )
    .bind(moment.as_millis().max(0))
    .fetch_all(db.pool())
    .await?;
    rows.iter().map(|row| entry(row).map(|entry| (entry.from, entry.id))).collect()
}

/// Entries from `seq` on, oldest first.
pub(super) async fn entries_from(db: &Db, seq: i64) -> Result<Vec<Entry>, DbError> {
    let rows = sqlx::query(
        "SELECT seq, in_force_from, version, texts_version FROM rules_log WHERE seq >= $1 ORDER BY seq",
    )
    .bind(seq)
    .fetch_all(db.pool())
    .await?;
    rows.iter().map(entry).collect()
}

/// What rules said.
pub(super) async fn kept(db: &Db, id: &RulesId) -> Result<Option<Kept>, DbError> {
    let row =
        sqlx::query("SELECT body, texts, first_seen_at FROM rules WHERE version = $1 AND texts_version = $2")
            .bind(id.version.as_str())
            .bind(id.texts_version.as_str())
            .fetch_optional(db.pool())
            .await?;
    row.map(|row| {
        let texts: String = row.try_get("texts")?;
        Ok(Kept {
            body: row.try_get("body")?,
            texts: serde_json::from_str(&texts).map_err(|error| DbError::decode("kept texts", error))?,
            first_seen_at: Timestamp::from_millis(row.try_get("first_seen_at")?),
        })
    })
    .transpose()
}

/// The versions that begin with `prefix`, and the log's entries of each, oldest first; two at most, which says that
/// the prefix is not enough.
pub(super) async fn versions_like(db: &Db, prefix: &str) -> Result<Vec<String>, DbError> {
    // Hexadecimal digits and the name of the hash: nothing in it means something to LIKE.
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT DISTINCT version FROM rules WHERE version LIKE $1 ORDER BY version LIMIT 2")
            .bind(format!("{prefix}%"))
            .fetch_all(db.pool())
            .await?;
    Ok(rows.into_iter().map(|(version,)| version).collect())
}

/// The whole log of one version, oldest first.
pub(super) async fn entries_of(db: &Db, version: &str) -> Result<Vec<Entry>, DbError> {
    let rows = sqlx::query(
        "SELECT seq, in_force_from, version, texts_version FROM rules_log WHERE version = $1 ORDER BY seq",
    )
    .bind(version)
    .fetch_all(db.pool())
    .await?;
    rows.iter().map(entry).collect()
}

/// When the entry after `seq` came into force.
pub(super) async fn ended(db: &Db, seq: i64) -> Result<Option<Timestamp>, DbError> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT in_force_from FROM rules_log WHERE seq > $1 ORDER BY seq LIMIT 1")
            .bind(seq)
            .fetch_optional(db.pool())
            .await?;
    Ok(row.map(|(from,)| Timestamp::from_millis(from)))
}

/// Keeps a policy without putting it into force, so that what was decided by it can be explained.
///
/// # Errors
/// The database's.
pub async fn keep(db: &Db, version: &str, body: &str, now: Timestamp) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    insert(&mut tx, &RulesId { version: version.to_owned(), texts_version: String::new() }, body, "{}", now)
        .await?;
    tx.commit().await
}

/// A kept policy's text by its version.
///
/// # Errors
/// The database's.
pub async fn body_of(db: &Db, version: &str) -> Result<Option<String>, DbError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT body FROM rules WHERE version = $1 LIMIT 1")
        .bind(version)
        .fetch_optional(db.pool())
        .await?;
    Ok(row.map(|(body,)| body))
}

/// Keeps rules and puts them into force from `from` on, after the entry `seq`. False: another replica was faster.
pub(super) async fn take_over(
    db: &Db,
    rules: &Rules,
    seq: i64,
    from: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    let id = rules.id();
    let texts = serde_json::to_string(&rules.texts).map_err(|error| DbError::decode("texts", error))?;
    let mut tx = db.begin().await?;
    insert(&mut tx, &id, &rules.policy.text, &texts, now).await?;
    let written = sqlx::query(
        "INSERT INTO rules_log (seq, in_force_from, version, texts_version) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(seq + 1)
    .bind(from.as_millis().max(0))
    .bind(id.version.as_str())
    .bind(id.texts_version.as_str())
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(written == 1)
}

/// The entry that was in force at a moment, if others were over by then.
pub(super) async fn over_by(db: &Db, moment: Timestamp) -> Result<Option<i64>, DbError> {
    let row: Option<(i64,)> = sqlx::query_as(
        "SELECT newest FROM (SELECT MAX(seq) AS newest FROM rules_log WHERE in_force_from <= $1) AS at_that_time \
         WHERE EXISTS (SELECT 1 FROM rules_log WHERE seq < newest)",
    )
    .bind(moment.as_millis())
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|(seq,)| seq))
}

/// Whether a service's own statement finds anything.
pub(super) async fn is_any(db: &Db, sql: &'static str, before: Timestamp) -> Result<bool, DbError> {
    let row = sqlx::query(sql).bind(before.as_millis()).fetch_optional(db.pool()).await?;
    Ok(row.is_some())
}

/// Forgets the entries before `seq`, and what no other one names; returns how many entries.
pub(super) async fn forget_before(db: &Db, seq: i64) -> Result<usize, DbError> {
    let mut tx = db.begin().await?;
    let gone: Vec<(String, String)> =
        sqlx::query_as("DELETE FROM rules_log WHERE seq < $1 RETURNING version, texts_version")
            .bind(seq)
            .fetch_all(&mut *tx)
            .await?;
    for (version, texts_version) in &gone {
        // One that came back is in the log still.
        sqlx::query(
            "DELETE FROM rules WHERE version = $1 AND texts_version = $2 \
             AND NOT EXISTS (SELECT 1 FROM rules_log WHERE version = $1 AND texts_version = $2)",
        )
        .bind(version.as_str())
        .bind(texts_version.as_str())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(gone.len())
}

async fn insert(
    tx: &mut Tx<'_>,
    id: &RulesId,
    body: &str,
    texts: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO rules (version, texts_version, first_seen_at, body, texts) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id.version.as_str())
    .bind(id.texts_version.as_str())
    .bind(now.as_millis())
    .bind(body)
    .bind(texts)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn entry(row: &AnyRow) -> Result<Entry, DbError> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        from: Timestamp::from_millis(row.try_get("in_force_from")?),
        id: RulesId { version: row.try_get("version")?, texts_version: row.try_get("texts_version")? },
    })
}
