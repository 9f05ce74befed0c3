//! The mark in the store itself.

use shared_types::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::db::{Db, DbError};

const COLUMNS: &str = "instance, created_at, generation, position";

/// Which store it is, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredMark {
    pub instance: Uuid,
    pub created_at: Timestamp,
    /// How often an older store was accepted.
    pub generation: u64,
    pub position: u64,
}

impl StoredMark {
    /// Grows with whatever becomes of the store.
    #[must_use]
    pub fn standing(&self) -> (u64, u64) {
        (self.generation, self.position)
    }
}

/// A person goes on from a store that is younger than what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

pub(super) async fn read(db: &Db) -> Result<Option<StoredMark>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM store_mark WHERE one = 1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_optional(db.pool()).await?;
    row.as_ref().map(mark).transpose()
}

/// The one that is there by then: replicas may begin together.
pub(super) async fn begin(db: &Db, instance: Uuid, now: Timestamp) -> Result<StoredMark, DbError> {
    let mut tx = db.begin().await?;
    sqlx::query(
        "INSERT INTO store_mark (one, instance, created_at, generation, position) VALUES (1, $1, $2, 0, 0) \
         ON CONFLICT (one) DO NOTHING",
    )
    .bind(instance.to_string())
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let lost = || DbError::decode("mark", std::io::Error::other("it is not there"));
    read(db).await?.ok_or_else(lost)
}

/// None: it is not there any more.
pub(super) async fn advance(db: &Db) -> Result<Option<StoredMark>, DbError> {
    let sql = format!("UPDATE store_mark SET position = position + 1 WHERE one = 1 RETURNING {COLUMNS}");
    let mut tx = db.begin().await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut *tx).await?;
    let stored = row.as_ref().map(mark).transpose()?;
    tx.commit().await?;
    Ok(stored)
}

pub(super) async fn accept(db: &Db, mark: &StoredMark, acceptance: &Acceptance) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query(
        "UPDATE store_mark SET instance = $1, generation = $2, position = $3, accepted_at = $4, accepted_by = $5, \
         accepted_reason = $6, taken_over_at = NULL WHERE one = 1",
    )
    .bind(mark.instance.to_string())
    .bind(number(mark.generation))
    .bind(number(mark.position))
    .bind(acceptance.at.as_millis())
    .bind(acceptance.by.as_str())
    .bind(acceptance.reason.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

pub(super) async fn pending(db: &Db) -> Result<Option<Acceptance>, DbError> {
    let found: Option<(i64, String, String)> = sqlx::query_as(
        "SELECT accepted_at, accepted_by, accepted_reason FROM store_mark \
         WHERE one = 1 AND accepted_at IS NOT NULL AND taken_over_at IS NULL",
    )
    .fetch_optional(db.pool())
    .await?;
    let acceptance = |(at, by, reason)| Acceptance { at: Timestamp::from_millis(at), by, reason };
    Ok(found.map(acceptance))
}

pub(super) async fn take_over(db: &Db, acceptance: &Acceptance, now: Timestamp) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query("UPDATE store_mark SET taken_over_at = $1 WHERE one = 1 AND accepted_at = $2")
        .bind(now.as_millis())
        .bind(acceptance.at.as_millis())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

fn mark(row: &AnyRow) -> Result<StoredMark, DbError> {
    let instance: String = row.try_get("instance")?;
    let count = |name: &'static str| -> Result<u64, DbError> {
        u64::try_from(row.try_get::<i64, _>(name)?).map_err(|error| DbError::decode("mark", error))
    };
    Ok(StoredMark {
        instance: Uuid::parse_str(&instance).map_err(|error| DbError::decode("mark", error))?,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        generation: count("generation")?,
        position: count("position")?,
    })
}

fn number(it: u64) -> i64 {
    i64::try_from(it).unwrap_or(i64::MAX)
}
