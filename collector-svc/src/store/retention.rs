//! What is past its time goes.

use std::time::Duration;

use service_kit::db::DbError;
use shared_types::Timestamp;

use super::Store;

/// Keys are recognised for this long after the first answer.
const KEEP_ANSWERS: Duration = Duration::from_secs(48 * 3600);
/// A file that was not read for this long starts anew should it come back.
const KEEP_POSITIONS: Duration = Duration::from_secs(30 * 24 * 3600);

impl Store {
    /// Deletes old answers, positions of files not seen for long, and batches beyond their retention.
    pub async fn prune(&self, now: Timestamp, keep_batches: Option<Duration>) -> Result<(), DbError> {
        self.db.answered(async {
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
        }).await
    }
}
