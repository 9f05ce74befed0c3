//! Events that vendors told us of, each taken once, and how they call our pages (ES-3).

use domain::effects::NewMessage;
use service_kit::db::{DbError, Tx};
use service_kit::outbox;
use shared_types::Timestamp;

use super::Store;

impl Store {
    /// Writes down an event that a vendor told of, how it calls a page of ours, and the work it makes; false if the
    /// event is known, then nothing is written.
    pub async fn receive_event(
        &self,
        event: &str,
        kind: &str,
        page: Option<(&str, &str)>,
        work: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO webhook_events (id, kind, received_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
        let new = sqlx::query(sql)
            .bind(event)
            .bind(kind)
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?
            .rows_affected()
            == 1;
        if !new {
            return Ok(false);
        }
        if let Some((page, dedup_key)) = page {
            name_page(&mut tx, page, dedup_key, now).await?;
        }
        if let Some(message) = work {
            outbox::enqueue(&mut tx, message, now)?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The dedup key of a page, by the vendor's name of it.
    pub async fn page_key(&self, page: &str) -> Result<Option<String>, DbError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT dedup_key FROM pages WHERE id = $1")
            .bind(page)
            .fetch_optional(self.db.pool())
            .await?;
        Ok(row.map(|(key,)| key))
    }
}

async fn name_page(tx: &mut Tx<'_>, page: &str, dedup_key: &str, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO pages (id, dedup_key, learned_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
    sqlx::query(sql).bind(page).bind(dedup_key).bind(now.as_millis()).execute(&mut **tx).await?;
    Ok(())
}
