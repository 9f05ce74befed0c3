//! [`CollectorStore`] on both engines, with one SQL text.

use std::time::Duration;

use async_trait::async_trait;
use domain::stored::{Form, plain_text};
use futures_util::TryStreamExt as _;
use service_kit::db::{Db, DbError, Migration, Tx};
use service_kit::forms::Forms;
use service_kit::outbox;
use shared_types::{TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{
    BatchRow, ClosedWindow, CollectorStore, Commit, Committed, Delivery, IdChunk, Loaded, Place, Position,
    PushAnswer,
    places::{PlaceRow, StoredCursor},
};
use crate::intake::WindowChange;
use crate::messages::MESSAGES;
use crate::state::TargetState;
use crate::totals::Totals;

/// The collector's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 100,
        name: "collector",
        postgres: include_str!("../../../migrations/postgres/collector/0100_collector.sql"),
        sqlite: include_str!("../../../migrations/sqlite/collector/0100_collector.sql"),
    },
    Migration {
        version: 101,
        name: "source_cursors",
        postgres: include_str!("../../../migrations/postgres/collector/0101_source_cursors.sql"),
        sqlite: include_str!("../../../migrations/sqlite/collector/0101_source_cursors.sql"),
    },
];

/// What the collector keeps as JSON. Batches carry their schema; first answers to pushes are kept as they were said.
#[must_use]
pub fn documents() -> Vec<Form> {
    let states =
        [Form::of::<TargetState>(), Form::of::<Totals>(), Form::of::<Position>(), Form::of::<StoredCursor>()];
    states.iter().chain(MESSAGES).copied().collect()
}

/// Keys are recognised for this long after the first answer.
const KEEP_ANSWERS: Duration = Duration::from_secs(48 * 3600);
/// A file that was not read for this long starts anew should it come back.
const KEEP_POSITIONS: Duration = Duration::from_secs(30 * 24 * 3600);

const BATCH_COLUMNS: &str =
    "SELECT target, window_start_ms, batch, sent, attempts, delivered_at_ms, last_error FROM batches";

/// The store in a database.
#[derive(Debug, Clone)]
pub struct SqlStore {
    db: Db,
}

impl SqlStore {
    /// In this database, migrated by [`MIGRATIONS`].
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// The database, for the outbox.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    async fn places(&self, target: &TargetName) -> Result<Vec<Place>, DbError> {
        let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT file_id, position, cursor FROM source_positions WHERE target = $1 ORDER BY file_id",
        )
        .bind(target.as_str())
        .fetch_all(self.db.pool())
        .await?;
        let forms = self.db.forms();
        let place = |(id, position, cursor): &(String, String, Option<String>)| {
            PlaceRow::place(forms, id, position, cursor.as_deref())
        };
        rows.iter().map(place).collect()
    }
}

/// Writes what came of a delivery attempt, in the transaction that records it in the outbox.
///
/// # Errors
/// The database's.
pub async fn record_delivery(
    tx: &mut Tx<'_>,
    target: &TargetName,
    window_start: Timestamp,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<(), DbError> {
    let (delivered_at, error) = match delivery {
        Delivery::Delivered => (Some(now.as_millis()), None),
        Delivery::Failed(reason) => (None, Some(reason.as_str())),
    };
    sqlx::query(
        "UPDATE batches SET attempts = attempts + 1, delivered_at_ms = COALESCE(delivered_at_ms, $3), \
             last_error = COALESCE($4, last_error) \
         WHERE target = $1 AND window_start_ms = $2 AND sent = 1",
    )
    .bind(target.as_str())
    .bind(window_start.as_millis())
    .bind(delivered_at)
    .bind(error)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[async_trait]
impl CollectorStore for SqlStore {
    async fn load(&self, target: &TargetName, initial: &TargetState) -> Result<Loaded, DbError> {
        let find = || async {
            sqlx::query_as::<_, (i64, String, String)>(
                "SELECT generation, commit_ids, state FROM targets WHERE target = $1",
            )
            .bind(target.as_str())
            .fetch_optional(self.db.pool())
            .await
        };
        let mut row = find().await?;
        if row.is_none() {
            let mut tx = self.db.begin().await?;
            sqlx::query(
                "INSERT INTO targets (target, generation, commit_ids, state) VALUES ($1, 1, '', $2) \
                 ON CONFLICT (target) DO NOTHING",
            )
            .bind(target.as_str())
            .bind(tx.forms().text(initial)?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            row = find().await?;
        }
        let (generation, commit_ids, state) = row.ok_or(sqlx::Error::RowNotFound)?;
        // Read after the generation: whatever is newer than it shows as a conflict at the next commit.
        let open: Vec<(i64,)> = sqlx::query_as(
            "SELECT DISTINCT window_start_ms FROM partials WHERE target = $1 ORDER BY window_start_ms",
        )
        .bind(target.as_str())
        .fetch_all(self.db.pool())
        .await?;
        Ok(Loaded {
            generation,
            commit_ids,
            state: self.db.forms().read(target.as_str(), &state)?,
            open: open.into_iter().map(|(start,)| Timestamp::from_millis(start)).collect(),
            places: self.places(target).await?,
        })
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
        let mut tx = self.db.begin().await?;
        let generation = commit.generation + 1;
        let changed = sqlx::query(
            "UPDATE targets SET generation = $2, commit_ids = $3, state = $4 WHERE target = $1 AND generation = $5",
        )
        .bind(commit.target.as_str())
        .bind(generation)
        .bind(commit.ids.as_str())
        .bind(tx.forms().text(&commit.state)?)
        .bind(commit.generation)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed == 0 {
            tx.rollback().await?;
            return Ok(Committed::Conflict);
        }
        for window in &commit.windows {
            add_to_window(&mut tx, &commit.target, window, generation).await?;
        }
        for place in &commit.places {
            put_place(&mut tx, &commit.target, place, commit.now).await?;
        }
        for answer in &commit.answers {
            put_answer(&mut tx, &commit.target, answer, commit.now).await?;
        }
        for closed in &commit.closed {
            close_window(&mut tx, &commit.target, closed).await?;
        }
        for message in &commit.messages {
            outbox::enqueue(&mut tx, message, commit.now).await?;
        }
        tx.commit().await?;
        Ok(Committed::Yes(generation))
    }

    async fn totals(&self, target: &TargetName, window_start: Timestamp) -> Result<Totals, DbError> {
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
    }

    async fn ids(&self, target: &TargetName, window_start: Timestamp) -> Result<Vec<u64>, DbError> {
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
    }

    async fn ids_since(&self, target: &TargetName, generation: i64) -> Result<Vec<IdChunk>, DbError> {
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
    }

    async fn answer(&self, target: &TargetName, key: &str) -> Result<Option<PushAnswer>, DbError> {
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT body_hash, answer FROM push_answers WHERE target = $1 AND idempotency_key = $2",
        )
        .bind(target.as_str())
        .bind(key)
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(|(body_hash, answer)| PushAnswer { idempotency_key: key.to_owned(), body_hash, answer }))
    }

    async fn batch(&self, target: &TargetName, window_start: Timestamp) -> Result<Option<BatchRow>, DbError> {
        let text = format!("{BATCH_COLUMNS} WHERE target = $1 AND window_start_ms = $2");
        let row = sqlx::query(AssertSqlSafe(text))
            .bind(target.as_str())
            .bind(window_start.as_millis())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| batch_row(self.db.forms(), row)).transpose()
    }

    async fn last_batch(&self, target: &TargetName) -> Result<Option<BatchRow>, DbError> {
        let text = format!("{BATCH_COLUMNS} WHERE target = $1 ORDER BY window_start_ms DESC LIMIT 1");
        let row =
            sqlx::query(AssertSqlSafe(text)).bind(target.as_str()).fetch_optional(self.db.pool()).await?;
        row.as_ref().map(|row| batch_row(self.db.forms(), row)).transpose()
    }

    async fn oldest_undelivered(
        &self,
        target: &TargetName,
        after: Timestamp,
    ) -> Result<Option<BatchRow>, DbError> {
        let text = format!(
            "{BATCH_COLUMNS} WHERE target = $1 AND sent = 1 AND delivered_at_ms IS NULL \
             AND window_end_ms > $2 ORDER BY window_end_ms LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(text))
            .bind(target.as_str())
            .bind(after.as_millis())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| batch_row(self.db.forms(), row)).transpose()
    }

    async fn prune(&self, now: Timestamp, keep_batches: Option<Duration>) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        sqlx::query("DELETE FROM push_answers WHERE answered_at_ms < $1")
            .bind(now.minus(KEEP_ANSWERS).as_millis())
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM source_positions WHERE seen_at_ms < $1")
            .bind(now.minus(KEEP_POSITIONS).as_millis())
            .execute(&mut *tx)
            .await?;
        if let Some(keep) = keep_batches {
            sqlx::query(
                "DELETE FROM batches WHERE window_end_ms < $1 AND (sent = 0 OR delivered_at_ms IS NOT NULL)",
            )
            .bind(now.minus(keep).as_millis())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }
}

async fn add_to_window(
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

async fn put_place(
    tx: &mut Tx<'_>,
    target: &TargetName,
    place: &Place,
    now: Timestamp,
) -> Result<(), DbError> {
    let PlaceRow { file_id, byte_offset, position, cursor } = PlaceRow::of(tx.forms(), place)?;
    sqlx::query(
        "INSERT INTO source_positions (target, file_id, byte_offset, position, cursor, seen_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (target, file_id) DO UPDATE SET byte_offset = excluded.byte_offset, \
             position = excluded.position, cursor = excluded.cursor, seen_at_ms = excluded.seen_at_ms",
    )
    .bind(target.as_str())
    .bind(file_id)
    .bind(i64::try_from(byte_offset).unwrap_or(i64::MAX))
    .bind(position)
    .bind(cursor)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn put_answer(
    tx: &mut Tx<'_>,
    target: &TargetName,
    answer: &PushAnswer,
    now: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO push_answers (target, idempotency_key, body_hash, answer, answered_at_ms) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(target.as_str())
    .bind(answer.idempotency_key.as_str())
    .bind(answer.body_hash.as_str())
    .bind(answer.answer.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn close_window(tx: &mut Tx<'_>, target: &TargetName, closed: &ClosedWindow) -> Result<(), DbError> {
    let batch = &closed.batch;
    sqlx::query(
        "INSERT INTO batches (target, window_start_ms, window_end_ms, phase, epoch, batch, collected_at_ms, sent) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(target.as_str())
    .bind(batch.window.start.as_millis())
    .bind(batch.window.end.as_millis())
    .bind(batch.phase.as_str())
    .bind(i64::try_from(batch.epoch).unwrap_or(i64::MAX))
    .bind(plain_text(batch))
    .bind(batch.collected_at.as_millis())
    .bind(i64::from(closed.sent))
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM partials WHERE target = $1 AND window_start_ms = $2")
        .bind(target.as_str())
        .bind(batch.window.start.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn batch_row(forms: &Forms, row: &AnyRow) -> Result<BatchRow, DbError> {
    let (target, start, text): (String, i64, String) =
        (row.try_get("target")?, row.try_get("window_start_ms")?, row.try_get("batch")?);
    let sent: i64 = row.try_get("sent")?;
    let attempts: i64 = row.try_get("attempts")?;
    let delivered_at: Option<i64> = row.try_get("delivered_at_ms")?;
    Ok(BatchRow {
        batch: forms.read_wire(&format!("{target}/{}", Timestamp::from_millis(start)), &text)?,
        sent: sent != 0,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        delivered_at: delivered_at.map(Timestamp::from_millis),
        last_error: row.try_get("last_error")?,
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
