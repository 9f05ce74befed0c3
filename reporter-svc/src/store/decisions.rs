//! Decisions as they were taken in.

use service_kit::db::DbError;
use shared_types::{Decision, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, DecisionFilter, Store, StoredDecision, rows};

impl Store {
    pub async fn decision(&self, id: Uuid) -> Result<Option<StoredDecision>, DbError> {
        let row = sqlx::query("SELECT id, body, stale, incident FROM decisions WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| rows::decision(self.db.forms(), row)).transpose()
    }

    /// The newest window first.
    pub async fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, DbError> {
        let filters = [
            ("target", filter.target.as_ref().map(TargetName::as_str)),
            ("verdict", filter.verdict.map(Verdict::as_str)),
        ];
        // Two bounds that are always there, so that the places of the others do not depend on them; numbers, so no text of
        // the caller's gets into the statement.
        const LAST: i64 = 253_402_300_799_999;
        let from = filter.from.map_or(0, Timestamp::as_millis);
        let to = filter.to.map_or(LAST, Timestamp::as_millis);
        let select = format!(
            "SELECT id, body, stale, incident FROM (SELECT * FROM decisions WHERE window_end > {from} AND window_end <= {to}) \
             AS bounded"
        );
        let sql = listing(&select, "window_end", &filters, after);
        let found = list(&self.db, sql, &filters, after, limit).await?;
        found.iter().map(|row| rows::decision(self.db.forms(), row)).collect()
    }

    /// Decisions about windows that began in a time, oldest first, after a window's start and a decision's id; with
    /// whether they were stale.
    pub async fn decisions_of_windows(
        &self,
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
        .fetch_all(self.db.pool())
        .await?;
        let read = |(id, body, stale): (String, String, i64)| {
            Ok((self.db.forms().read_wire(&id, &body)?, stale != 0))
        };
        found.into_iter().map(read).collect()
    }
}
