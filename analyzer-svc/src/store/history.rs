//! What a decision was made from, read again: for its explanation, and in the order in which a target's
//! decisions were made, for a replay.

use service_kit::db::DbError;
use service_kit::forms::Forms;
use service_kit::rules;
use shared_types::{CollectorEvent, Decision, TargetName, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{LONGEST_WINDOW, MOST_EARLIER, Store, StoredBatch, rows, signed};
use domain::gate::EarlierBatch;
use domain::whatif::Recorded;

/// Which decisions a replay reads, and how far they reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub target: TargetName,
    /// Windows that begin at or after this, and before `to`.
    pub from: Timestamp,
    pub to: Timestamp,
    pub decisions: u64,
    /// Smallest and largest of their sequences.
    pub first: i64,
    pub last: i64,
}

/// The place of a decision in the order of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedKey(i64, i64, String);

impl RecordedKey {
    /// Where `decision` stands.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let sequence = signed(decision.evidence.as_ref().map_or(0, |it| it.sequence));
        Self(sequence, decision.window.start.as_millis(), decision.decision_id.to_string())
    }

    /// Before all of a span.
    #[must_use]
    pub fn before(span: &Span) -> Self {
        Self(span.first, i64::MIN, String::new())
    }
}

const RECORDED: &str = "SELECT d.decision_id, d.body AS decision, b.received_at_ms, b.counters, NULL AS body, NULL AS histograms FROM decisions AS d \
     LEFT JOIN batches AS b ON b.target = d.target AND b.window_start_ms = d.window_start_ms \
     WHERE d.target = $1 AND (d.sequence, d.window_start_ms, d.decision_id) > ($2, $3, $4) AND d.sequence <= $5 \
     ORDER BY d.sequence, d.window_start_ms, d.decision_id LIMIT $6";
const RECORDED_WHOLE: &str = "SELECT d.decision_id, d.body AS decision, b.received_at_ms, b.counters, b.body, b.histograms FROM decisions AS d \
     LEFT JOIN batches AS b ON b.target = d.target AND b.window_start_ms = d.window_start_ms \
     WHERE d.target = $1 AND (d.sequence, d.window_start_ms, d.decision_id) > ($2, $3, $4) AND d.sequence <= $5 \
     ORDER BY d.sequence, d.window_start_ms, d.decision_id LIMIT $6";

impl Store {
    /// One decision.
    pub async fn decision(&self, id: Uuid) -> Result<Option<Decision>, DbError> {
        let row = sqlx::query("SELECT decision_id, body FROM decisions WHERE decision_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| rows::decision(self.db.forms(), row)).transpose()
    }

    /// The batch that a decision judged.
    pub async fn batch_of(&self, decision: Uuid) -> Result<Option<StoredBatch>, DbError> {
        let row = sqlx::query(
            "SELECT body, histograms, batch_hash, received_at_ms, decision_id, verdict FROM batches WHERE decision_id = $1",
        )
        .bind(decision.to_string())
        .fetch_optional(self.db.pool())
        .await?;
        row.as_ref().map(|row| rows::stored_batch(self.db.forms(), row)).transpose()
    }

    /// The event that a decision was made on, or the first one that was answered with it.
    pub async fn event_of(&self, decision: Uuid) -> Result<Option<CollectorEvent>, DbError> {
        let row = sqlx::query(
            "SELECT event_id, body FROM collector_events WHERE decision_id = $1 ORDER BY received_at_ms, event_id LIMIT 1",
        )
        .bind(decision.to_string())
        .fetch_optional(self.db.pool())
        .await?;
        row.map(|row| self.db.forms().read(&rows::text(&row, "event_id")?, &rows::text(&row, "body")?))
            .transpose()
    }

    /// As [`Known::earlier`](super::Known), of what was there when a decision was made.
    pub async fn known_to(
        &self,
        decision: &Decision,
        since: Timestamp,
    ) -> Result<Vec<EarlierBatch>, DbError> {
        let RecordedKey(sequence, start, _) = RecordedKey::of(decision);
        let rows = sqlx::query(
            "SELECT b.epoch, b.window_start_ms, b.window_end_ms, b.counters FROM batches AS b \
             JOIN decisions AS d ON d.decision_id = b.decision_id \
             WHERE b.target = $1 AND b.epoch = $2 AND b.window_end_ms > $3 AND b.window_start_ms >= $4 \
             AND b.window_start_ms < $5 AND d.sequence < $6 ORDER BY b.window_end_ms DESC LIMIT $7",
        )
        .bind(decision.target.as_str().to_owned())
        .bind(signed(decision.epoch))
        .bind(since.as_millis())
        .bind(since.minus(LONGEST_WINDOW).as_millis())
        .bind(start)
        .bind(sequence)
        .bind(MOST_EARLIER)
        .fetch_all(self.db.pool())
        .await?;
        rows.iter().map(rows::earlier).collect()
    }

    /// The decision that its target's epoch had before this one.
    pub async fn previous(&self, decision: &Decision) -> Result<Option<Decision>, DbError> {
        let row = sqlx::query(
            "SELECT decision_id, body FROM decisions WHERE target = $1 AND epoch = $2 AND sequence < $3 \
             ORDER BY sequence DESC LIMIT 1",
        )
        .bind(decision.target.as_str().to_owned())
        .bind(signed(decision.epoch))
        .bind(RecordedKey::of(decision).0)
        .fetch_optional(self.db.pool())
        .await?;
        row.as_ref().map(|row| rows::decision(self.db.forms(), row)).transpose()
    }

    /// How far the decisions on windows that begin in a time reach; `None` if there are none.
    pub async fn span(
        &self,
        target: &TargetName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Span>, DbError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS decisions, MIN(sequence) AS first, MAX(sequence) AS last FROM decisions \
             WHERE target = $1 AND window_start_ms >= $2 AND window_start_ms < $3",
        )
        .bind(target.as_str().to_owned())
        .bind(from.as_millis())
        .bind(to.as_millis())
        .fetch_one(self.db.pool())
        .await?;
        let (first, last): (Option<i64>, Option<i64>) = (row.try_get("first")?, row.try_get("last")?);
        let decisions = u64::try_from(rows::number(&row, "decisions")?).unwrap_or(0);
        Ok(std::iter::zip(first, last).next().map(|(first, last)| Span {
            target: target.clone(),
            from,
            to,
            decisions,
            first,
            last,
        }))
    }

    /// All decisions that were made between the first and the last of a span, in the order in which they were made, after the
    /// key given; at most `limit`. Some are about windows outside of it: what came late left something behind for those that
    /// were judged after it. With their batches whole, or only what those counted.
    pub async fn recorded(
        &self,
        span: &Span,
        after: &RecordedKey,
        whole: bool,
        limit: u32,
    ) -> Result<Vec<Recorded>, DbError> {
        let RecordedKey(sequence, start, id) = after.clone();
        let rows = sqlx::query(if whole { RECORDED_WHOLE } else { RECORDED })
            .bind(span.target.as_str().to_owned())
            .bind(sequence)
            .bind(start)
            .bind(id)
            .bind(span.last)
            .bind(i64::from(limit))
            .fetch_all(self.db.pool())
            .await?;
        rows.iter().map(|row| recorded_row(self.db.forms(), row)).collect()
    }

    /// Keeps a policy's text under its version.
    pub async fn keep_policy(&self, version: &str, text: &str, now: Timestamp) -> Result<(), DbError> {
        rules::keep(&self.db, version, text, now).await
    }

    /// A policy's text by its version.
    pub async fn policy_text(&self, version: &str) -> Result<Option<String>, DbError> {
        rules::body_of(&self.db, version).await
    }
}

fn recorded_row(forms: &Forms, row: &AnyRow) -> Result<Recorded, DbError> {
    let optional = |column| -> Result<Option<String>, DbError> { Ok(row.try_get(column)?) };
    let id = rows::text(row, "decision_id")?;
    let arrived: Option<i64> = row.try_get("received_at_ms")?;
    let parsed = optional("counters")?.map(|text| rows::json("counters", &text)).transpose()?;
    Ok(Recorded {
        decision: forms.read_wire(&id, &rows::text(row, "decision")?)?,
        arrived: arrived.map(Timestamp::from_millis),
        counters: parsed,
        batch: optional("body")?.map(|body| rows::batch(forms, row, &id, &body)).transpose()?,
    })
}
