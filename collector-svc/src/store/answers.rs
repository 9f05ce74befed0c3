//! First answers to pushes.

use service_kit::db::{DbError, Tx};
use shared_types::{TargetName, Timestamp};

use super::{PushAnswer, Store};

impl Store {
    /// The first answer to a push with this key.
    pub async fn answer(&self, target: &TargetName, key: &str) -> Result<Option<PushAnswer>, DbError> {
        self.db
            .answered(async {
                let row: Option<(String, String)> = sqlx::query_as(
                    "SELECT body_hash, answer FROM push_answers WHERE target = $1 AND idempotency_key = $2",
                )
                .bind(target.as_str())
                .bind(key)
                .fetch_optional(self.db.pool())
                .await?;
                Ok(row.map(|(body_hash, answer)| PushAnswer {
                    idempotency_key: key.to_owned(),
                    body_hash,
                    answer,
                }))
            })
            .await
    }
}

pub(super) fn put_answer(tx: &mut Tx<'_>, target: &TargetName, answer: &PushAnswer, now: Timestamp) {
    let row = vec![
        target.as_str().into(),
        answer.idempotency_key.as_str().into(),
        answer.body_hash.as_str().into(),
        answer.answer.as_str().into(),
        now.as_millis().into(),
    ];
    tx.insert("push_answers", &["target", "idempotency_key", "body_hash", "answer", "answered_at_ms"], row);
}
