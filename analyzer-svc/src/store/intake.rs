//! What came in, with what was decided about it: one transaction.

use domain::gate::EarlierBatch;
use domain::stored::plain_text;
use service_kit::db::{DbError, Done, Tx};
use service_kit::outbox;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, TargetName, Timestamp};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;

use super::targets::write_target;
use super::{Commit, Committed, MOST_EARLIER, Receipt, Refused, Store, rows, signed};

/// Enough to see how batches of one window differ.
const REFUSED_OF_A_KEY: i64 = 3;
/// Enough to see what ails a collector, however long it goes on; those that are gone make room.
const REFUSED_OF_A_TARGET: i64 = 100;
/// A collector tells again what was not answered, and does so under the same id.
const EVENTS_OF_A_DECISION: i64 = 20;

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
        let committed = self.db.together(commit.state.target.as_str(), |mut tx, _| async move {
            // The target's row first: whoever else decides about this target waits here, and then is outdated.
            if write_target(&mut tx, &commit.state).await? == Committed::Outdated {
                return Ok((tx, Done::Nothing(Committed::Outdated)));
            }
            if !insert_decision(&mut tx, &commit.decision).await? {
                return Ok((tx, Done::Undo));
            }
            if let Some((batch, hash)) = &commit.batch {
                insert_batch(&mut tx, batch, hash, &commit.decision, commit.now);
            }
            if let Some(event) = &commit.event {
                insert_event(&mut tx, event, commit.decision.decision_id, commit.now).await?;
            }
            outbox::enqueue(&mut tx, &commit.message, commit.now)?;
            Ok((tx, Done::Written(Committed::Done)))
        });
        Ok(committed.await?.unwrap_or(Committed::Outdated))
    }

    /// Keeps a batch that came under the key of another one; once, however often it comes, and no more than
    /// [`REFUSED_OF_A_KEY`] and [`REFUSED_OF_A_TARGET`]. Those beyond are counted on the newest that is kept.
    pub async fn refuse(&self, batch: &Batch, hash: &str, now: Timestamp) -> Result<Refused, DbError> {
        let mut tx = self.db.begin().await?;
        let (target, start) = (batch.target.as_str(), batch.window.start.as_millis());
        // Whoever refuses at the same time waits here.
        let lock = format!("SELECT version FROM targets WHERE target = $1{}", self.db.for_update());
        sqlx::query(AssertSqlSafe(lock)).bind(target).fetch_optional(&mut *tx).await?;
        let kept = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN window_start_ms = $2 THEN 1 ELSE 0 END), 0), \
                    COALESCE(SUM(CASE WHEN window_start_ms = $2 AND batch_hash = $3 THEN 1 ELSE 0 END), 0) \
                    FROM refused_batches WHERE target = $1";
        let kept = sqlx::query_as(kept).bind(target).bind(start).bind(hash).fetch_one(&mut *tx).await?;
        let (of_target, of_key, same): (i64, i64, i64) = kept;
        if same > 0 {
            return Ok(Refused::Kept);
        }
        let refused = if of_key < REFUSED_OF_A_KEY && of_target < REFUSED_OF_A_TARGET {
            let insert = "INSERT INTO refused_batches (target, window_start_ms, batch_hash, received_at_ms, body) \
                          VALUES ($1, $2, $3, $4, $5)";
            let insert = sqlx::query(insert).bind(target).bind(start).bind(hash).bind(now.as_millis());
            tx.execute(insert.bind(plain_text(batch))).await?;
            Refused::Kept
        } else {
            let count = "UPDATE refused_batches SET left_out = left_out + 1 WHERE target = $1 AND (window_start_ms, batch_hash) = \
                         (SELECT window_start_ms, batch_hash FROM refused_batches WHERE target = $1 \
                          ORDER BY CASE WHEN window_start_ms = $2 THEN 0 ELSE 1 END, received_at_ms DESC, batch_hash LIMIT 1)";
            tx.execute(sqlx::query(count).bind(target).bind(start)).await?;
            Refused::LeftOut
        };
        tx.commit().await?;
        Ok(refused)
    }

    /// Keeps a collector's event that led to no new decision; of a decision no more than [`EVENTS_OF_A_DECISION`], as they
    /// change nothing.
    pub async fn note_event(
        &self,
        event: &CollectorEvent,
        decision: Uuid,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        let noted = sqlx::query_as("SELECT COUNT(*) FROM collector_events WHERE decision_id = $1");
        let (noted,): (i64,) = noted.bind(decision.to_string()).fetch_one(&mut *tx).await?;
        if noted >= EVENTS_OF_A_DECISION {
            return Ok(());
        }
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
    .bind(tx.forms().wire_text(decision));
    Ok(tx.execute(insert).await?.rows_affected() == 1)
}

fn insert_batch(tx: &mut Tx<'_>, batch: &Batch, hash: &str, decision: &Decision, now: Timestamp) {
    let columns = &[
        "target",
        "window_start_ms",
        "window_end_ms",
        "phase",
        "epoch",
        "verdict",
        "decision_id",
        "batch_hash",
        "received_at_ms",
        "counters",
        "body",
    ];
    let row = vec![
        batch.target.as_str().into(),
        batch.window.start.as_millis().into(),
        batch.window.end.as_millis().into(),
        batch.phase.as_str().into(),
        signed(batch.epoch).into(),
        decision.verdict.as_str().into(),
        decision.decision_id.to_string().into(),
        hash.into(),
        now.as_millis().into(),
        plain_text(&batch.counters).into(),
        tx.forms().wire_text(batch).into(),
    ];
    tx.insert("batches", columns, row);
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
