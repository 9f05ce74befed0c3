//! Incidents and what happened on them.

use domain::rollout::Incident;
use domain::story::words;
use service_kit::db::{Db, DbError, Tx};
use service_kit::forms::Forms;
use shared_types::incident::IncidentState;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{IncidentId, TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, IncidentFilter, Store, rows};

/// What is kept of an incident: its body, and before it what queries go by. [`read`] takes them by name, [`save`] binds them in
/// this order.
const COLUMNS: [&str; 6] = ["id", "target", "state", "opened_at", "due_at", "body"];

impl Store {
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, DbError> {
        let sql = format!("{} WHERE id = $1", select());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(self.db.pool()).await?;
        row.as_ref().map(|row| read(self.db.forms(), row)).transpose()
    }

    pub async fn incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<Incident>, DbError> {
        let filters = [
            ("target", filter.target.as_ref().map(TargetName::as_str)),
            ("state", filter.state.map(IncidentState::as_str)),
        ];
        let sql = listing(&select(), "opened_at", &filters, after);
        let found = list(&self.db, sql, &filters, after, limit).await?;
        found.iter().map(|row| read(self.db.forms(), row)).collect()
    }

    /// The target's newest incident that is not closed.
    pub async fn unfinished_incident(&self, target: &TargetName) -> Result<Option<Incident>, DbError> {
        let sql = format!(
            "{} WHERE target = $1 AND state <> $2 ORDER BY opened_at DESC, id DESC LIMIT 1",
            select()
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(target.as_str())
            .bind(IncidentState::Closed.as_str())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| read(self.db.forms(), row)).transpose()
    }

    pub async fn timeline(&self, id: &IncidentId) -> Result<Vec<LoggedHop>, DbError> {
        let found =
            sqlx::query("SELECT at, kind, detail, data FROM timeline WHERE incident = $1 ORDER BY at, seq")
                .bind(id.as_str())
                .fetch_all(self.db.pool())
                .await?;
        found.iter().map(hop).collect()
    }

    /// Decisions that belong to an incident, the opening one first.
    pub async fn decisions_of(&self, id: &IncidentId) -> Result<Vec<Uuid>, DbError> {
        let found: Vec<(String,)> = sqlx::query_as(
            "SELECT id FROM decisions WHERE incident = $1 ORDER BY received_at, window_end LIMIT 1000",
        )
        .bind(id.as_str())
        .fetch_all(self.db.pool())
        .await?;
        found.iter().map(|(id,)| rows::uuid("decision id", id)).collect()
    }
}

fn select() -> String {
    format!("SELECT {} FROM incidents", COLUMNS.join(", "))
}

fn read(forms: &Forms, row: &AnyRow) -> Result<Incident, DbError> {
    forms.read(&row.try_get::<String, _>("id")?, &row.try_get::<String, _>("body")?)
}

/// As it is while the caller holds its row.
pub(super) async fn lock(db: &Db, tx: &mut Tx<'_>, id: &IncidentId) -> Result<Option<Incident>, DbError> {
    let sql = format!("{} WHERE id = $1{}", select(), db.for_update());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(|row| read(tx.forms(), row)).transpose()
}

/// The caller holds the row, or makes it.
pub(super) async fn save(tx: &mut Tx<'_>, incident: &Incident, opened: bool) -> Result<(), DbError> {
    let places: Vec<String> = (1..=COLUMNS.len()).map(|n| format!("${n}")).collect();
    let (columns, places) = (COLUMNS.join(", "), places.join(", "));
    let sql = if opened {
        format!("INSERT INTO incidents ({columns}) VALUES ({places})")
    } else {
        format!("UPDATE incidents SET ({columns}) = ({places}) WHERE id = $1")
    };
    sqlx::query(AssertSqlSafe(sql))
        .bind(incident.id.as_str())
        .bind(incident.target.as_str())
        .bind(incident.state().as_str())
        .bind(incident.opened_at.as_millis())
        .bind(incident.next_due().map(Timestamp::as_millis))
        .bind(tx.forms().text(incident)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn hop(row: &AnyRow) -> Result<LoggedHop, DbError> {
    let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
    let data: Option<String> = row.try_get("data")?;
    let data = data.as_deref().map(|it| rows::json("timeline data", it)).transpose()?.unwrap_or_default();
    Ok(LoggedHop { at: rows::time(row, "at")?, hop: Hop::read(&kind, &detail, data) })
}

/// The caller holds the incident's row, so the numbers have no gaps and no rivals.
pub(super) async fn append_hops(
    tx: &mut Tx<'_>,
    incident: &IncidentId,
    hops: &[LoggedHop],
) -> Result<(), DbError> {
    if hops.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM timeline WHERE incident = $1")
        .bind(incident.as_str())
        .fetch_one(&mut **tx)
        .await?;
    // All in one statement: a violation has half a dozen hops, and each statement is a round trip before its rollback.
    let rows: Vec<String> = (0..hops.len())
        .map(|row| {
            let at = row * 6;
            format!("(${}, ${}, ${}, ${}, ${}, ${})", at + 1, at + 2, at + 3, at + 4, at + 5, at + 6)
        })
        .collect();
    let sql =
        format!("INSERT INTO timeline (incident, seq, at, kind, detail, data) VALUES {}", rows.join(", "));
    let mut insert = sqlx::query(AssertSqlSafe(sql));
    for (seq, LoggedHop { at, hop }) in (last + 1..).zip(hops) {
        let data = hop.data().map_err(|error| DbError::decode("hop", error))?;
        let data = if data.is_null() { None } else { Some(data.to_string()) };
        insert = insert
            .bind(incident.as_str())
            .bind(seq)
            .bind(at.as_millis())
            .bind(hop.kind())
            .bind(rows::storable(&words::hop(hop)))
            .bind(data);
    }
    insert.execute(&mut **tx).await?;
    Ok(())
}
