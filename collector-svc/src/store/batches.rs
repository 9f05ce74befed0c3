//! Batches, and what became of their delivery.

use std::collections::HashMap;

use domain::stored::plain_text;
use service_kit::db::{DbError, Tx};
use service_kit::forms::Forms;
use shared_types::{TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::windows::by_keys;
use super::{BatchRow, ClosedWindow, Delivery, Store, WindowKey};

const BATCH_COLUMNS: &str =
    "SELECT target, window_start_ms, batch, sent, attempts, delivered_at_ms, last_error FROM batches";

impl Store {
    /// The batch of the window that starts then. Those who ask at one time share a read.
    pub async fn batch(
        &self,
        target: &TargetName,
        window_start: Timestamp,
    ) -> Result<Option<BatchRow>, DbError> {
        let key = (target.clone(), window_start);
        let read = self.batches.ask(key, |keys| self.db.answered(self.batches_of(keys)));
        Ok(read.await?.flatten())
    }

    async fn batches_of(&self, keys: Vec<WindowKey>) -> Result<Vec<Option<BatchRow>>, DbError> {
        let text = "SELECT b.target, b.window_start_ms, b.batch, b.sent, b.attempts, b.delivered_at_ms, b.last_error \
                    FROM (VALUES {keys}) AS v JOIN batches AS b ON b.target = v.column1 AND b.window_start_ms = v.column2";
        let mut found = HashMap::new();
        for row in by_keys(text, &keys).fetch_all(self.db.pool()).await? {
            let row = batch_row(self.db.forms(), &row)?;
            found.insert((row.batch.target.clone(), row.batch.window.start), row);
        }
        // One may be asked for twice: it is sent while it is archived.
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// The batch of the newest window.
    pub async fn last_batch(&self, target: &TargetName) -> Result<Option<BatchRow>, DbError> {
        self.db
            .answered(async {
                let text = format!("{BATCH_COLUMNS} WHERE target = $1 ORDER BY window_start_ms DESC LIMIT 1");
                let row = sqlx::query(AssertSqlSafe(text))
                    .bind(target.as_str())
                    .fetch_optional(self.db.pool())
                    .await?;
                row.as_ref().map(|row| batch_row(self.db.forms(), row)).transpose()
            })
            .await
    }

    /// The oldest batch whose window ended after `after` and which the analyzer should have but has not.
    pub async fn oldest_undelivered(
        &self,
        target: &TargetName,
        after: Timestamp,
    ) -> Result<Option<BatchRow>, DbError> {
        self.db
            .answered(async {
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
            })
            .await
    }
}

/// Writes what came of a delivery attempt, in the transaction that records it in the outbox.
pub fn record_delivery(
    tx: &mut Tx<'_>,
    target: &TargetName,
    window_start: Timestamp,
    delivery: &Delivery,
    now: Timestamp,
) {
    let (delivered_at, error) = match delivery {
        Delivery::Delivered => (Some(now.as_millis()), None),
        Delivery::Failed(reason) => (None, Some(reason.as_str())),
    };
    let row =
        vec![target.as_str().into(), window_start.as_millis().into(), delivered_at.into(), error.into()];
    // It may be past its time.
    tx.update_if_there(DELIVERED, row);
}

const DELIVERED: &str = "UPDATE batches SET attempts = attempts + 1, \
         delivered_at_ms = COALESCE(delivered_at_ms, v.column3), last_error = COALESCE(v.column4, last_error) \
     FROM (VALUES {rows}) AS v WHERE batches.target = v.column1 AND batches.window_start_ms = v.column2 AND batches.sent = 1";

pub(super) fn put_batch(tx: &mut Tx<'_>, target: &TargetName, closed: &ClosedWindow) {
    let batch = &closed.batch;
    let columns =
        &["target", "window_start_ms", "window_end_ms", "phase", "epoch", "batch", "collected_at_ms", "sent"];
    let row = vec![
        target.as_str().into(),
        batch.window.start.as_millis().into(),
        batch.window.end.as_millis().into(),
        batch.phase.as_str().into(),
        i64::try_from(batch.epoch).unwrap_or(i64::MAX).into(),
        plain_text(batch).into(),
        batch.collected_at.as_millis().into(),
        i64::from(closed.sent).into(),
    ];
    tx.insert("batches", columns, row);
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
