//! What came in, with what was decided about it: one transaction.

use domain::gate::EarlierBatch;
use domain::stored::plain_text;
use service_kit::db::{DbError, Tx};
use service_kit::outbox;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, TargetName, Timestamp};
use sqlx::Executor as _;
use uuid::Uuid;

use super::targets::write_target;
use super::{Commit, Committed, MOST_EARLIER, Receipt, Store, rows, signed};

impl Store {
    /// What came under a batch's key, if anything.
    pub async fn receipt(
        &self,
        target: &TargetName,
        window_start: Timestamp,
    ) -> Result<Option<Receipt>, DbError> {
        let row = sqlx::query(
            "SELECT batch_hash, window_start_ms, window_end_ms, decision_id, received_at_ms FROM batches \
             WHERE target = $1 AND window_start_ms = $2",
        )
        .bind(target.as_str().to_owned())
        .bind(window_start.as_millis())
        .fetch_optional(self.db.pool())
        .await?;
        row.as_ref().map(rows::receipt).transpose()
    }

    /// Batches of an epoch that end after `since` and begin before `before`, for means over time.
    pub async fn earlier(
        &self,
        target: &TargetName,
        epoch: Epoch,
        since: Timestamp,
        before: Timestamp,
    ) -> Result<Vec<EarlierBatch>, DbError> {
        let rows = sqlx::query(
            "SELECT epoch, window_start_ms, window_end_ms, counters FROM batches \
             WHERE target = $1 AND epoch = $2 AND window_end_ms > $3 AND window_start_ms < $4 \
             ORDER BY window_end_ms DESC LIMIT $5",
        )
        .bind(target.as_str().to_owned())
        .bind(signed(epoch))
        .bind(since.as_millis())
        .bind(before.as_millis())
        .bind(MOST_EARLIER)
        .fetch_all(self.db.pool())
        .await?;
        rows.iter().map(rows::earlier).collect()
    }

    /// Commits a decision with all that belongs to it.
    pub async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
        let mut tx = self.db.begin().await?;
        // The target's row first: whoever else decides about this target waits here, and then is outdated.
        if write_target(&mut tx, &commit.state).await? == Committed::Outdated
            || !insert_decision(&mut tx, &commit.decision).await?
        {
            tx.rollback().await?;
            return Ok(Committed::Outdated);
        }
        if let Some((batch, hash)) = &commit.batch {
            insert_batch(&mut tx, batch, hash, &commit.decision, commit.now).await?;
        }
        if let Some(event) = &commit.event {
            insert_event(&mut tx, event, commit.decision.decision_id, commit.now).await?;
        }
        outbox::enqueue(&mut tx, &commit.message, commit.now).await?;
        tx.commit().await?;
        Ok(Committed::Done)
    }

    /// Keeps a batch that came under the key of another one; once, however often it comes.
    pub async fn refuse(&self, batch: &Batch, hash: &str, now: Timestamp) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        let insert = sqlx::query(
            "INSERT INTO refused_batches (target, window_start_ms, batch_hash, received_at_ms, body) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(batch.target.as_str().to_owned())
        .bind(batch.window.start.as_millis())
        .bind(hash.to_owned())
        .bind(now.as_millis())
        .bind(plain_text(batch));
        tx.execute(insert).await?;
        tx.commit().await
    }

    /// Keeps a collector's event that led to no new decision.
    pub async fn note_event(
        &self,
        event: &CollectorEvent,
        decision: Uuid,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        insert_event(&mut tx, event, decision, now).await?;
        tx.commit().await
    }
}

/// False if it is there already.
async fn insert_decision(tx: &mut Tx<'_>, decision: &Decision) -> Result<bool, DbError> {
    let insert = sqlx::query(
        "INSERT INTO decisions (decision_id, target, phase, epoch, window_start_ms, window_end_ms, verdict, \
         cause, policy_version, decided_at_ms, sequence, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(decision.decision_id.to_string())
    .bind(decision.target.as_str().to_owned())
    .bind(decision.phase.as_str().to_owned())
    .bind(signed(decision.epoch))
    .bind(decision.window.start.as_millis())
    .bind(decision.window.end.as_millis())
    .bind(decision.verdict.as_str())
    .bind(decision.cause.as_str())
    .bind(decision.policy_version.clone())
    .bind(decision.decided_at.as_millis())
    .bind(signed(decision.evidence.as_ref().map_or(0, |it| it.sequence)))
    .bind(plain_text(decision));
    Ok(tx.execute(insert).await?.rows_affected() == 1)
}

async fn insert_batch(
    tx: &mut Tx<'_>,
    batch: &Batch,
    hash: &str,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), DbError> {
    let insert = sqlx::query(
        "INSERT INTO batches (target, window_start_ms, window_end_ms, phase, epoch, verdict, decision_id, \
         batch_hash, received_at_ms, counters, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(batch.target.as_str().to_owned())
    .bind(batch.window.start.as_millis())
    .bind(batch.window.end.as_millis())
    .bind(batch.phase.as_str().to_owned())
    .bind(signed(batch.epoch))
    .bind(decision.verdict.as_str())
    .bind(decision.decision_id.to_string())
    .bind(hash.to_owned())
    .bind(now.as_millis())
    .bind(plain_text(&batch.counters))
    .bind(plain_text(batch));
    tx.execute(insert).await?;
    Ok(())
}

async fn insert_event(
    tx: &mut Tx<'_>,
    event: &CollectorEvent,
    decision: Uuid,
    now: Timestamp,
) -> Result<(), DbError> {
    let insert = sqlx::query(
        "INSERT INTO collector_events (event_id, target, decision_id, received_at_ms, body) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(event.event_id.to_string())
    .bind(event.target.as_str().to_owned())
    .bind(decision.to_string())
    .bind(now.as_millis())
    .bind(tx.forms().text(event)?);
    tx.execute(insert).await?;
    Ok(())
}
