//! What came in, with what was decided about it: one transaction.

use domain::stored::plain_text;
use service_kit::db::{Company, DbError, Done, Tx};
use service_kit::outbox;
use shared_types::{Batch, CollectorEvent, Decision, Timestamp};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;

use super::targets::write_target;
use super::{Commit, Committed, Refused, Store, histograms, signed};

/// Enough to see how batches of one window differ.
const REFUSED_OF_A_KEY: i64 = 3;
/// Enough to see what ails a collector, however long it goes on; those that are gone make room.
const REFUSED_OF_A_TARGET: i64 = 100;
/// A collector tells again what was not answered, and does so under the same id.
const EVENTS_OF_A_DECISION: i64 = 20;

impl Store {
    /// Commits a decision with all that belongs to it.
    pub async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
        let committed = self.db.together(commit.state.target.as_str(), |mut tx, company| async move {
            if write_target(&self.db, &mut tx, &commit.state, company).await? == Committed::Outdated {
                return Ok((tx, Done::Nothing(Committed::Outdated)));
            }
            if company == Company::None && is_known(&mut tx, &commit.decision).await? {
                return Ok((tx, Done::Undo));
            }
            insert_decision(&mut tx, &commit.decision);
            if let Some((batch, hash)) = &commit.batch {
                insert_batch(&mut tx, batch, hash, &commit.decision, commit.now);
            }
            if let Some(event) = &commit.event {
                insert_event(&mut tx, event, commit.decision.decision_id, commit.now)?;
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
        insert_event(&mut tx, event, decision, now)?;
        tx.commit().await
    }
}

async fn is_known(tx: &mut Tx<'_>, decision: &Decision) -> Result<bool, DbError> {
    let known = sqlx::query(
        "SELECT decision_id FROM decisions WHERE decision_id = $1 \
             OR target = $2 AND window_start_ms = $3 AND cause = $4 LIMIT 1",
    )
    .bind(decision.decision_id.to_string())
    .bind(decision.target.as_str())
    .bind(decision.window.start.as_millis())
    .bind(decision.cause.as_str());
    Ok(tx.fetch_optional(known).await?.is_some())
}

/// One that is there already makes the commit fail.
fn insert_decision(tx: &mut Tx<'_>, decision: &Decision) {
    let columns = &[
        "decision_id",
        "target",
        "phase",
        "epoch",
        "window_start_ms",
        "window_end_ms",
        "verdict",
        "cause",
        "policy_version",
        "decided_at_ms",
        "sequence",
        "body",
    ];
    let row = vec![
        decision.decision_id.to_string().into(),
        decision.target.as_str().into(),
        decision.phase.as_str().into(),
        signed(decision.epoch).into(),
        decision.window.start.as_millis().into(),
        decision.window.end.as_millis().into(),
        decision.verdict.as_str().into(),
        decision.cause.as_str().into(),
        decision.policy_version.clone().into(),
        decision.decided_at.as_millis().into(),
        signed(decision.evidence.as_ref().map_or(0, |it| it.sequence)).into(),
        tx.forms().wire_text(decision).into(),
    ];
    tx.insert_first("decisions", columns, row);
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
        "histograms",
    ];
    // A body without them is for those who look beside it.
    let apart = if tx.forms().parts_histograms() { histograms::apart(batch) } else { None };
    let (rest, histograms) = apart.unzip();
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
        tx.forms().wire_text(rest.as_ref().unwrap_or(batch)).into(),
        histograms.into(),
    ];
    tx.insert("batches", columns, row);
}

fn insert_event(
    tx: &mut Tx<'_>,
    event: &CollectorEvent,
    decision: Uuid,
    now: Timestamp,
) -> Result<(), DbError> {
    let columns = &["event_id", "target", "decision_id", "received_at_ms", "body"];
    let row = vec![
        event.event_id.to_string().into(),
        event.target.as_str().into(),
        decision.to_string().into(),
        now.as_millis().into(),
        tx.forms().text(event)?.into(),
    ];
    tx.insert_if_new("collector_events", columns, row);
    Ok(())
}
