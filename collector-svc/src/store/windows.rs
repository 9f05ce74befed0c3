//! Open windows: their counts, and the ids of the events that were counted.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt as _;
use service_kit::db::{DbError, Tx, rows_of_places};
use shared_types::{TargetName, Timestamp};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::{IdChunk, Store, WindowKey};
use crate::intake::WindowChange;
use domain::telemetry::totals::Totals;

impl Store {
    /// The counts of an open window; empty if there are none. Those who ask at one time share a read.
    pub async fn totals(&self, target: &TargetName, window_start: Timestamp) -> Result<Totals, DbError> {
        let key = (target.clone(), window_start);
        let read = self.totals.ask(key, |keys| self.db.answered(self.totals_of(keys)));
        Ok(read.await?.unwrap_or_default())
    }

    async fn totals_of(&self, keys: Vec<WindowKey>) -> Result<Vec<Totals>, DbError> {
        let text = "SELECT p.target, p.window_start_ms, p.totals FROM (VALUES {keys}) AS v \
                    JOIN partials AS p ON p.target = v.column1 AND p.window_start_ms = v.column2";
        let mut found: HashMap<WindowKey, Totals> = HashMap::new();
        let mut rows = by_keys(text, &keys).fetch(self.db.pool());
        while let Some(row) = rows.try_next().await? {
            let (target, start): (String, i64) = (row.try_get("target")?, row.try_get("window_start_ms")?);
            let target = TargetName::parse(&target).map_err(|error| DbError::decode("target", error))?;
            let start = Timestamp::from_millis(start);
            let (text, id): (String, _) = (row.try_get("totals")?, window_id(&target, start));
            found.entry((target, start)).or_default().merge(&self.db.forms().read(&id, &text)?);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned().unwrap_or_default()).collect())
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

pub(super) fn add_to_window(
    tx: &mut Tx<'_>,
    target: &TargetName,
    change: &WindowChange,
    generation: i64,
) -> Result<(), DbError> {
    let row = vec![
        target.as_str().into(),
        change.start.as_millis().into(),
        generation.into(),
        tx.forms().text(&change.totals)?.into(),
        pack(&change.new_ids).into(),
    ];
    tx.insert("partials", &["target", "window_start_ms", "generation", "totals", "id_hashes"], row);
    Ok(())
}

pub(super) fn delete_window(tx: &mut Tx<'_>, target: &TargetName, start: Timestamp) {
    // Of each as many rows as there were flushes.
    tx.update_if_there(DELETE, vec![target.as_str().into(), start.as_millis().into()]);
}

const DELETE: &str = "DELETE FROM partials WHERE (target, window_start_ms) IN (VALUES {rows})";

/// A query whose `{keys}` are the values of these, each once: one that is asked for twice would be found twice.
pub(super) fn by_keys(text: &str, keys: &[WindowKey]) -> Query<'static, Any, AnyArguments> {
    let keys: BTreeSet<&WindowKey> = keys.iter().collect();
    let text = text.replace("{keys}", &rows_of_places(keys.len(), 2));
    keys.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, (target, start)| {
        query.bind(target.as_str().to_owned()).bind(start.as_millis())
    })
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
