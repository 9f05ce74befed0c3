//! Open windows: their counts, and the ids of the events that were counted.

use futures_util::TryStreamExt as _;
use service_kit::db::{DbError, Tx};
use shared_types::{TargetName, Timestamp};

use super::{IdChunk, Store};
use crate::intake::WindowChange;
use domain::telemetry::totals::Totals;

impl Store {
    /// The counts of an open window; empty if there are none.
    pub async fn totals(&self, target: &TargetName, window_start: Timestamp) -> Result<Totals, DbError> {
        self.db
            .answered(async {
                let mut rows = sqlx::query_as::<_, (String,)>(
                    "SELECT totals FROM partials WHERE target = $1 AND window_start_ms = $2",
                )
                .bind(target.as_str())
                .bind(window_start.as_millis())
                .fetch(self.db.pool());
                let mut totals = Totals::default();
                while let Some((text,)) = rows.try_next().await? {
                    totals.merge(&self.db.forms().read(&window_id(target, window_start), &text)?);
                }
                Ok(totals)
            })
            .await
    }

    /// All ids seen in an open window.
    pub async fn ids(&self, target: &TargetName, window_start: Timestamp) -> Result<Vec<u64>, DbError> {
        self.db
            .answered(async {
                let mut rows = sqlx::query_as::<_, (Vec<u8>,)>(
                    "SELECT id_hashes FROM partials WHERE target = $1 AND window_start_ms = $2",
                )
                .bind(target.as_str())
                .bind(window_start.as_millis())
                .fetch(self.db.pool());
                let mut ids = Vec::new();
                while let Some((bytes,)) = rows.try_next().await? {
                    ids.extend(unpack(&bytes));
                }
                Ok(ids)
            })
            .await
    }

    /// Ids written after a generation.
    pub async fn ids_since(&self, target: &TargetName, generation: i64) -> Result<Vec<IdChunk>, DbError> {
        self.db
            .answered(async {
                let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                    "SELECT window_start_ms, id_hashes FROM partials WHERE target = $1 AND generation > $2",
                )
                .bind(target.as_str())
                .bind(generation)
                .fetch_all(self.db.pool())
                .await?;
                let chunk = |(start, bytes): (i64, Vec<u8>)| IdChunk {
                    window_start: Timestamp::from_millis(start),
                    hashes: unpack(&bytes).collect(),
                };
                Ok(rows.into_iter().map(chunk).filter(|chunk| !chunk.hashes.is_empty()).collect())
            })
            .await
    }
}

pub(super) async fn add_to_window(
    tx: &mut Tx<'_>,
    target: &TargetName,
    change: &WindowChange,
    generation: i64,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO partials (target, window_start_ms, generation, totals, id_hashes) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(target.as_str())
    .bind(change.start.as_millis())
    .bind(generation)
    .bind(tx.forms().text(&change.totals)?)
    .bind(pack(&change.new_ids))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn delete_window(
    tx: &mut Tx<'_>,
    target: &TargetName,
    start: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM partials WHERE target = $1 AND window_start_ms = $2")
        .bind(target.as_str())
        .bind(start.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn pack(hashes: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hashes.len() * 8);
    hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_le_bytes()));
    bytes
}

fn unpack(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|chunk| {
        let mut hash = [0; 8];
        hash.copy_from_slice(chunk);
        u64::from_le_bytes(hash)
    })
}

fn window_id(target: &TargetName, start: Timestamp) -> String {
    format!("{target}/{start}")
}
