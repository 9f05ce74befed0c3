//! Decisions as they were taken in.

use domain::story::days::DAY;
use service_kit::db::{DbError, Tx};
use service_kit::forms::Forms;
use shared_types::judged::JudgedWindow;
use shared_types::{Decision, IncidentId, TargetName, Timestamp, Verdict, Window};
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, DecisionFilter, Store, StoredDecision, rows};

impl Store {
    pub async fn decision(&self, id: Uuid) -> Result<Option<StoredDecision>, DbError> {
        let row = sqlx::query("SELECT id, body, stale, incident FROM decisions WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| read(self.db.forms(), row)).transpose()
    }

    /// The newest window first.
    pub async fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, DbError> {
        let found = self.newest(filter, after, limit).await?;
        found.iter().map(|row| read(self.db.forms(), row)).collect()
    }

    /// The same in short; what else is in them is passed over.
    pub async fn judged_windows(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<JudgedWindow>, DbError> {
        let found = self.newest(filter, after, limit).await?;
        found.iter().map(|row| read_short(self.db.forms(), row)).collect()
    }

    async fn newest(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<AnyRow>, DbError> {
        let target = ("target", filter.target.as_ref().map(TargetName::as_str));
        // What is rare has an index of its own, which wants the verdict in so many words; there is no text of the caller's in it.
        let (rare, verdict) = match filter.verdict {
            Some(verdict) if verdict != Verdict::Ok => {
                (format!(" AND verdict = '{}' AND verdict <> 'ok'", verdict.as_str()), None)
            }
            usual => (String::new(), usual),
        };
        let filters = [target, ("verdict", verdict.map(Verdict::as_str))];
        // Two bounds that are always there, so that the places of the others do not depend on them; numbers, as above.
        const LAST: i64 = 253_402_300_799_999;
        let from = filter.from.map_or(0, Timestamp::as_millis);
        let to = filter.to.map_or(LAST, Timestamp::as_millis);
        let select = format!(
            "SELECT id, body, stale, incident FROM (SELECT * FROM decisions WHERE window_end > {from} AND window_end <= {to}{rare}) \
             AS bounded"
        );
        let sql = listing(&select, "window_end", &filters, after);
        list(&self.db, sql, &filters, after, limit).await
    }

    /// Decisions about windows that began in a time, oldest first, after a window's end and a decision's id; with
    /// whether they were stale.
    pub async fn decisions_of_windows(
        &self,
        target: &TargetName,
        starts: Window,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<(Decision, bool)>, DbError> {
        let (ended, id) = match after {
            Some((end, id)) => (*end, id.as_str()),
            None => (starts.start.as_millis(), ""),
        };
        let found: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT id, body, stale FROM decisions WHERE target = $1 AND (window_end, id) > ($2, $3) \
             AND window_end <= $4 AND window_start >= $5 AND window_start < $6 ORDER BY window_end, id LIMIT $7",
        )
        .bind(target.as_str())
        .bind(ended)
        .bind(id)
        // One that is longer is not taken in.
        .bind(starts.end.plus(DAY).as_millis())
        .bind(starts.start.as_millis())
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

fn read(forms: &Forms, row: &AnyRow) -> Result<StoredDecision, DbError> {
    let (id, body): (String, String) = (row.try_get("id")?, row.try_get("body")?);
    let incident: Option<String> = row.try_get("incident")?;
    Ok(StoredDecision {
        decision: forms.read_wire(&id, &body)?,
        stale: rows::count(row, "stale")? != 0,
        incident: incident.as_deref().map(|it| rows::name("incident id", it)).transpose()?,
    })
}

fn read_short(forms: &Forms, row: &AnyRow) -> Result<JudgedWindow, DbError> {
    let (id, body): (String, String) = (row.try_get("id")?, row.try_get("body")?);
    Ok(JudgedWindow { stale: rows::count(row, "stale")? != 0, ..forms.read_wire(&id, &body)? })
}

/// The caller counts it in its day.
pub(super) fn save(
    tx: &mut Tx<'_>,
    decision: &Decision,
    stale: bool,
    incident: Option<&IncidentId>,
    now: Timestamp,
) -> Result<(), DbError> {
    let columns = &[
        "id",
        "target",
        "phase",
        "epoch",
        "window_start",
        "window_end",
        "verdict",
        "stale",
        "incident",
        "received_at",
        "body",
        "counted",
    ];
    let row = vec![
        decision.decision_id.to_string().into(),
        decision.target.as_str().into(),
        decision.phase.as_str().into(),
        i64::try_from(decision.epoch).unwrap_or(i64::MAX).into(),
        decision.window.start.as_millis().into(),
        decision.window.end.as_millis().into(),
        decision.verdict.as_str().into(),
        i64::from(stale).into(),
        incident.map(IncidentId::as_str).into(),
        now.as_millis().into(),
        tx.forms().wire_text(decision).into(),
        1.into(),
    ];
    tx.insert("decisions", columns, row);
    Ok(())
}
