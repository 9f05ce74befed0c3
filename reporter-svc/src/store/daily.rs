//! Daily reports that were made.

use service_kit::db::DbError;
use service_kit::outbox;
use shared_types::{TargetName, Timestamp};

use super::{DailyMade, Store, notifications};

impl Store {
    /// Whether the report of a day was made.
    pub async fn daily_made(&self, target: &TargetName, date: &str) -> Result<bool, DbError> {
        let row: Option<(i64,)> =
            sqlx::query_as("SELECT made_at FROM daily_reports WHERE target = $1 AND date = $2")
                .bind(target.as_str())
                .bind(date)
                .fetch_optional(self.db.pool())
                .await?;
        Ok(row.is_some())
    }

    /// Writes down that it was, with what it leads to; false if it had been.
    pub async fn make_daily(&self, made: &DailyMade, now: Timestamp) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let first = sqlx::query(
            "INSERT INTO daily_reports (target, date, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(made.target.as_str())
        .bind(made.date.as_str())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if !first {
            return Ok(false);
        }
        if let Some(notification) = &made.notification {
            notifications::save(&mut tx, notification, now);
        }
        for message in &made.messages {
            outbox::enqueue(&mut tx, message, now)?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
