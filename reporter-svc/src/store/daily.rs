//! What the daily report reads, and that it was made.

use service_kit::db::{Db, DbError};
use service_kit::outbox;
use shared_types::{Decision, TargetName, Timestamp, Window};

use super::change::save_notification;
use super::{After, DailyMade};

pub(super) async fn decisions_of_windows(
    db: &Db,
    target: &TargetName,
    starts: Window,
    after: Option<&After>,
    limit: u32,
) -> Result<Vec<(Decision, bool)>, DbError> {
    let (from, id) = match after {
        Some((start, id)) => (*start, id.as_str()),
        None => (starts.start.as_millis(), ""),
    };
    let found: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT id, body, stale FROM decisions WHERE target = $1 AND (window_start, id) > ($2, $3) \
         AND window_start < $4 ORDER BY window_start, id LIMIT $5",
    )
    .bind(target.as_str())
    .bind(from)
    .bind(id)
    .bind(starts.end.as_millis())
    .bind(i64::from(limit))
    .fetch_all(db.pool())
    .await?;
    let read = |(id, body, stale): (String, String, i64)| Ok((db.forms().read_wire(&id, &body)?, stale != 0));
    found.into_iter().map(read).collect()
}

pub(super) async fn is_made(db: &Db, target: &TargetName, date: &str) -> Result<bool, DbError> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT made_at FROM daily_reports WHERE target = $1 AND date = $2")
            .bind(target.as_str())
            .bind(date)
            .fetch_optional(db.pool())
            .await?;
    Ok(row.is_some())
}

/// The key decides between replicas: whoever comes second writes nothing.
pub(super) async fn make(db: &Db, made: &DailyMade, now: Timestamp) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
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
        save_notification(&mut tx, notification, now).await?;
    }
    for message in &made.messages {
        outbox::enqueue(&mut tx, message, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}
