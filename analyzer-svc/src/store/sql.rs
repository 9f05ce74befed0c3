//! The store on both engines.

use async_trait::async_trait;
use domain::stored::{Form, plain_text};
use service_kit::db::{Db, DbError, Migration, Tx};
use service_kit::outbox::{self, OutboxStats};
use service_kit::rules;
use shared_types::{Batch, CollectorEvent, Decision, Epoch, TargetName, Timestamp};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;

use super::list::ListQuery;
use super::{
    AnalyzerStore, BatchKey, Commit, Committed, DecisionKey, Filter, Receipt, RecordedKey, Span, StoredBatch,
};
use super::{history, rows};
use domain::gate::GateState;
use domain::gate::watch::Watch;
use domain::gate::{EarlierBatch, Run};
use domain::whatif::Recorded;

/// A mean over time never reads more batches than this.
const MOST_EARLIER: i64 = 10_000;

const TARGET: &str = "SELECT target, version, phase, run, watch FROM targets";

/// The tables of this store.
#[must_use]
pub fn migrations() -> &'static [Migration] {
    &[
        Migration {
            version: 100,
            name: "history",
            postgres: include_str!("../../../migrations/postgres/analyzer/0100_history.sql"),
            sqlite: include_str!("../../../migrations/sqlite/analyzer/0100_history.sql"),
        },
        Migration {
            version: 150,
            name: "sequence",
            postgres: include_str!("../../../migrations/postgres/analyzer/0150_sequence.sql"),
            sqlite: include_str!("../../../migrations/sqlite/analyzer/0150_sequence.sql"),
        },
        Migration {
            version: 160,
            name: "policy_versions",
            postgres: include_str!("../../../migrations/postgres/analyzer/0160_policy_versions.sql"),
            sqlite: include_str!("../../../migrations/sqlite/analyzer/0160_policy_versions.sql"),
        },
    ]
}

/// What the analyzer keeps as JSON. Batches and decisions carry their schema, also those that wait in the outbox; a batch's
/// counters stand beside it as they are in it.
pub const DOCUMENTS: &[Form] = &[Form::of::<Run>(), Form::of::<Watch>(), Form::of::<CollectorEvent>()];

const FORGET_WITH_BATCHES: [&str; 3] = [
    "DELETE FROM batches WHERE (target, window_start_ms) IN (SELECT target, window_start_ms FROM batches \
         WHERE window_start_ms < $1 ORDER BY window_start_ms LIMIT $2)",
    "DELETE FROM refused_batches WHERE (target, window_start_ms, batch_hash) IN \
         (SELECT target, window_start_ms, batch_hash FROM refused_batches WHERE window_start_ms < $1 LIMIT $2)",
    "DELETE FROM collector_events WHERE event_id IN \
         (SELECT event_id FROM collector_events WHERE received_at_ms < $1 LIMIT $2)",
];
const FORGET_DECISIONS: &str = "DELETE FROM decisions WHERE decision_id IN (SELECT decision_id FROM decisions AS d \
     WHERE window_start_ms < $1 AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.decision_id = d.decision_id) \
     ORDER BY window_start_ms LIMIT $2)";

/// [`AnalyzerStore`] over PostgreSQL or SQLite.
#[derive(Debug, Clone)]
pub struct SqlStore {
    db: Db,
}

impl SqlStore {
    /// Over an open database with [`migrations`] applied.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait]
impl AnalyzerStore for SqlStore {
    async fn target(&self, target: &TargetName) -> Result<GateState, DbError> {
        let row = sqlx::query("SELECT target, version, phase, run, watch FROM targets WHERE target = $1")
            .bind(target.as_str().to_owned())
            .fetch_optional(self.db.pool())
            .await?;
        match &row {
            Some(row) => rows::target_state(self.db.forms(), row),
            None => Ok(GateState::unheard(target.clone())),
        }
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<GateState>, DbError> {
        let sql =
            format!("{TARGET} WHERE watch_deadline_ms <= $1 ORDER BY watch_deadline_ms, target LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now.as_millis())
            .bind(i64::from(limit))
            .fetch_all(self.db.pool())
            .await?;
        rows.iter().map(|row| rows::target_state(self.db.forms(), row)).collect()
    }

    async fn receipt(
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

    async fn earlier(
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

    async fn commit(&self, commit: &Commit) -> Result<Committed, DbError> {
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

    async fn save_target(&self, state: &GateState) -> Result<Committed, DbError> {
        let mut tx = self.db.begin().await?;
        let committed = write_target(&mut tx, state).await?;
        match committed {
            Committed::Done => tx.commit().await?,
            Committed::Outdated => tx.rollback().await?,
        }
        Ok(committed)
    }

    async fn refuse(&self, batch: &Batch, hash: &str, now: Timestamp) -> Result<(), DbError> {
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

    async fn note_event(
        &self,
        event: &CollectorEvent,
        decision: Uuid,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        insert_event(&mut tx, event, decision, now).await?;
        tx.commit().await
    }

    async fn decision(&self, id: Uuid) -> Result<Option<Decision>, DbError> {
        let row = sqlx::query("SELECT decision_id, body FROM decisions WHERE decision_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| rows::decision(self.db.forms(), row)).transpose()
    }

    async fn decisions(
        &self,
        filter: &Filter,
        after: Option<&DecisionKey>,
        limit: u32,
    ) -> Result<Vec<Decision>, DbError> {
        let after = after.map(|DecisionKey(start, id)| (*start, id.to_string()));
        let query = ListQuery::new("SELECT decision_id, body FROM decisions", filter).page(
            "decision_id",
            after,
            limit,
        );
        let rows = query.rows(self.db.pool()).await?;
        rows.iter().map(|row| rows::decision(self.db.forms(), row)).collect()
    }

    async fn batches(
        &self,
        filter: &Filter,
        after: Option<&BatchKey>,
        limit: u32,
    ) -> Result<Vec<StoredBatch>, DbError> {
        let after = after.map(|BatchKey(start, target)| (*start, target.to_string()));
        let select = "SELECT body, batch_hash, received_at_ms, decision_id, verdict FROM batches";
        let rows = ListQuery::new(select, filter).page("target", after, limit).rows(self.db.pool()).await?;
        rows.iter().map(|row| rows::stored_batch(self.db.forms(), row)).collect()
    }

    async fn batch_of(&self, decision: Uuid) -> Result<Option<StoredBatch>, DbError> {
        history::batch_of(&self.db, decision).await
    }

    async fn event_of(&self, decision: Uuid) -> Result<Option<CollectorEvent>, DbError> {
        history::event_of(&self.db, decision).await
    }

    async fn known_to(&self, decision: &Decision, since: Timestamp) -> Result<Vec<EarlierBatch>, DbError> {
        history::known_to(&self.db, decision, since, MOST_EARLIER).await
    }

    async fn previous(&self, decision: &Decision) -> Result<Option<Decision>, DbError> {
        history::previous(&self.db, decision).await
    }

    async fn span(
        &self,
        target: &TargetName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Span>, DbError> {
        history::span(&self.db, target, from, to).await
    }

    async fn recorded(
        &self,
        span: &Span,
        after: &RecordedKey,
        whole: bool,
        limit: u32,
    ) -> Result<Vec<Recorded>, DbError> {
        let rows = history::recorded(&self.db, span, after, whole, limit).await?;
        rows.iter().map(|row| history::recorded_row(self.db.forms(), row)).collect()
    }

    async fn keep_policy(&self, version: &str, text: &str, now: Timestamp) -> Result<(), DbError> {
        rules::keep(&self.db, version, text, now).await
    }

    async fn policy_text(&self, version: &str) -> Result<Option<String>, DbError> {
        rules::body_of(&self.db, version).await
    }

    async fn outbox(&self, now: Timestamp) -> Result<OutboxStats, DbError> {
        outbox::stats(&self.db, now).await
    }

    async fn forget(
        &self,
        batches: Option<Timestamp>,
        decisions: Option<Timestamp>,
        limit: u32,
    ) -> Result<bool, DbError> {
        let mut full = false;
        if let Some(before) = batches {
            for sql in FORGET_WITH_BATCHES {
                full |= delete_some(&self.db, sql, before, limit).await?;
            }
        }
        if let Some(before) = decisions {
            full |= delete_some(&self.db, FORGET_DECISIONS, before, limit).await?;
        }
        Ok(full)
    }

    async fn ping(&self) -> Result<(), DbError> {
        self.db.ping().await
    }
}

/// True: as many as it may, so there may be more.
async fn delete_some(db: &Db, sql: &'static str, before: Timestamp, limit: u32) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    let delete = sqlx::query(sql).bind(before.as_millis()).bind(i64::from(limit));
    let deleted = tx.execute(delete).await?.rows_affected();
    tx.commit().await?;
    Ok(deleted >= u64::from(limit))
}

/// Writes a target's row if it is still the one that was read.
async fn write_target(tx: &mut Tx<'_>, state: &GateState) -> Result<Committed, DbError> {
    let sql = if state.version == 0 {
        "INSERT INTO targets (version, phase, run, watch, watch_deadline_ms, target) \
         VALUES ($1 + 1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE targets SET version = $1 + 1, phase = $2, run = $3, watch = $4, watch_deadline_ms = $5 \
         WHERE target = $6 AND version = $1"
    };
    let (phase, run) = match &state.run {
        Some((phase, run)) => (Some(phase.to_string()), Some(tx.forms().text(run)?)),
        None => (None, None),
    };
    let watch = state.watch.as_ref().map(|watch| tx.forms().text(watch)).transpose()?;
    let write = sqlx::query(sql)
        .bind(state.version)
        .bind(phase)
        .bind(run)
        .bind(watch)
        .bind(state.watch.as_ref().map(|watch| watch.deadline.as_millis()))
        .bind(state.target.as_str().to_owned());
    let written = tx.execute(write).await?.rows_affected();
    Ok(if written == 1 { Committed::Done } else { Committed::Outdated })
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

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
