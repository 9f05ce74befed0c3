//! Incidents and what happened on them.

use std::collections::BTreeMap;

use domain::rollout::Incident;
use domain::story::words;
use service_kit::db::{Company, Db, DbError, Tx, places};
use service_kit::forms::Forms;
use shared_types::incident::IncidentState;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{IncidentId, TargetName, Timestamp};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, IncidentFilter, Store, rows};

/// What is kept of an incident: its body, and before it what queries go by. [`read`] takes them by name, [`bound`] binds them in
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

/// As it is while the caller holds its row; none: it is not there, or was not waited for.
pub(super) async fn lock(
    db: &Db,
    tx: &mut Tx<'_>,
    id: &IncidentId,
    company: Company,
) -> Result<Option<Incident>, DbError> {
    let sql = format!("{} WHERE id = $1{}", select(), db.for_update_in(company));
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(|row| read(tx.forms(), row)).transpose()
}

/// Makes the row, with the storm that the incident opens in; at once, for the next one that opens counts it.
pub(super) async fn open(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), DbError> {
    let storm = incident.storm.as_ref();
    let told = storm.map(|it| &it.told).filter(|told| !told.is_empty());
    let sql = format!(
        "INSERT INTO incidents ({}, storm, storm_told) VALUES ({})",
        COLUMNS.join(", "),
        places(COLUMNS.len() + 2)
    );
    bound(tx, incident, sql)?
        .bind(storm.map(|it| it.begun_by.to_string()))
        .bind(told.map(|it| serde_json::json!(it).to_string()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The caller holds the row.
pub(super) async fn save(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), DbError> {
    let (columns, places) = (COLUMNS.join(", "), places(COLUMNS.len()));
    let sql = format!("UPDATE incidents SET ({columns}) = ({places}) WHERE id = $1");
    bound(tx, incident, sql)?.execute(&mut **tx).await?;
    Ok(())
}

fn bound<'q>(tx: &Tx<'_>, incident: &Incident, sql: String) -> Result<Query<'q, Any, AnyArguments>, DbError> {
    Ok(sqlx::query(AssertSqlSafe(sql))
        .bind(incident.id.to_string())
        .bind(incident.target.to_string())
        .bind(incident.state().as_str())
        .bind(incident.opened_at.as_millis())
        .bind(incident.next_due().map(Timestamp::as_millis))
        .bind(tx.forms().text(incident)?))
}

fn hop(row: &AnyRow) -> Result<LoggedHop, DbError> {
    let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
    let data: Option<String> = row.try_get("data")?;
    let data = data.as_deref().map(|it| rows::json("timeline data", it)).transpose()?.unwrap_or_default();
    Ok(LoggedHop { at: rows::time(row, "at")?, hop: Hop::read(&kind, &detail, data) })
}

/// The numbers of the last hops that a transaction brings.
#[derive(Default)]
struct LastHops(BTreeMap<IncidentId, i64>);

/// The caller holds the incident's row, so the numbers have no gaps and no rivals.
pub(super) async fn append_hops(
    tx: &mut Tx<'_>,
    incident: &IncidentId,
    hops: &[LoggedHop],
    opened: bool,
) -> Result<(), DbError> {
    if hops.is_empty() {
        return Ok(());
    }
    let brought = tx.memory::<LastHops>().0.get(incident).copied();
    let last = match brought {
        Some(last) => last,
        None if opened => 0,
        None => last_hop(tx, incident).await?,
    };
    let brought = last + i64::try_from(hops.len()).unwrap_or(i64::MAX);
    tx.memory::<LastHops>().0.insert(incident.clone(), brought);
    for (seq, LoggedHop { at, hop }) in (last + 1..).zip(hops) {
        let data = hop.data().map_err(|error| DbError::decode("hop", error))?;
        let data = if data.is_null() { None } else { Some(data.to_string()) };
        let row = vec![
            incident.as_str().into(),
            seq.into(),
            at.as_millis().into(),
            hop.kind().into(),
            rows::storable(&words::hop(hop)).into(),
            data.into(),
        ];
        tx.insert("timeline", &["incident", "seq", "at", "kind", "detail", "data"], row);
    }
    Ok(())
}

async fn last_hop(tx: &mut Tx<'_>, incident: &IncidentId) -> Result<i64, DbError> {
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM timeline WHERE incident = $1")
        .bind(incident.as_str())
        .fetch_one(&mut **tx)
        .await?;
    Ok(last)
}
