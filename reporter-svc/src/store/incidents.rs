//! Incidents and what happened on them.

use std::collections::BTreeMap;

use domain::rollout::Incident;
use domain::story::words;
use service_kit::db::{Company, Db, DbError, Tx, Value, places};
use service_kit::forms::Forms;
use shared_types::incident::IncidentState;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{IncidentId, TargetName, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, IncidentFilter, Store, rows};

/// What is kept of an incident: its body, and before it what queries go by. [`read`] takes them by name, [`values`] has
/// this order.
const COLUMNS: &[&str] = &["id", "target", "state", "opened_at", "due_at", "body"];

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
    let row = lock_row(db, tx, &COLUMNS.join(", "), id, company).await?;
    row.as_ref().map(|row| read(tx.forms(), row)).transpose()
}

/// As [`lock`], of many, in company: those that nobody else holds and that can be read.
pub(super) async fn lock_free(
    db: &Db,
    tx: &mut Tx<'_>,
    ids: &[IncidentId],
) -> Result<Vec<Incident>, DbError> {
    let sql =
        format!("{} WHERE id IN ({}){}", held(&COLUMNS.join(", ")), places(ids.len()), db.skip_locked());
    let query = ids.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(id.to_string()));
    let mut found = Vec::with_capacity(ids.len());
    for row in query.fetch_all(&mut **tx).await? {
        if let Ok(incident) = read(tx.forms(), &row) {
            ends_with(tx, &incident.id, &row)?;
            found.push(incident);
        }
    }
    Ok(found)
}

/// A query of incidents that are to be held, up to its conditions.
fn held(columns: &str) -> String {
    format!(
        "SELECT {columns}, (SELECT COALESCE(MAX(seq), 0) FROM timeline WHERE incident = incidents.id) AS last_hop \
         FROM incidents"
    )
}

fn ends_with(tx: &mut Tx<'_>, id: &IncidentId, row: &AnyRow) -> Result<(), DbError> {
    let last = row.try_get("last_hop")?;
    tx.memory::<LastHops>().0.entry(id.clone()).or_insert(last);
    Ok(())
}

/// As [`lock`], where it matters only whether it is held.
pub(super) async fn hold(
    db: &Db,
    tx: &mut Tx<'_>,
    id: &IncidentId,
    company: Company,
) -> Result<bool, DbError> {
    Ok(lock_row(db, tx, "id", id, company).await?.is_some())
}

async fn lock_row(
    db: &Db,
    tx: &mut Tx<'_>,
    columns: &str,
    id: &IncidentId,
    company: Company,
) -> Result<Option<AnyRow>, DbError> {
    if db.waits_in(company) {
        let sql = format!("SELECT id FROM incidents WHERE id = $1{}", db.for_update());
        sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    }
    let sql = format!("{} WHERE id = $1{}", held(columns), db.skip_locked());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    if let Some(row) = &row {
        ends_with(tx, id, row)?;
    }
    Ok(row)
}

const OPENED: &[&str] = &["id", "target", "state", "opened_at", "due_at", "body", "storm", "storm_told"];

/// Makes the row, with the storm that the incident opens in, by the commit.
pub(super) fn open(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), DbError> {
    let storm = incident.storm.as_ref();
    let told = storm.map(|it| &it.told).filter(|told| !told.is_empty());
    let mut row = values(tx, incident)?;
    row.push(storm.map(|it| it.begun_by.to_string()).into());
    row.push(told.map(|it| serde_json::json!(it).to_string()).into());
    tx.insert_first("incidents", OPENED, row);
    Ok(())
}

const SAVED: &str = "ON CONFLICT (id) DO UPDATE SET target = excluded.target, state = excluded.state, \
         opened_at = excluded.opened_at, due_at = excluded.due_at, body = excluded.body";

/// The caller holds the row; it is written by the commit.
pub(super) fn save(tx: &mut Tx<'_>, incident: &Incident) -> Result<(), DbError> {
    let row = values(tx, incident)?;
    tx.upsert("incidents", COLUMNS, row, SAVED);
    Ok(())
}

/// Of [`COLUMNS`].
fn values(tx: &Tx<'_>, incident: &Incident) -> Result<Vec<Value>, DbError> {
    Ok(vec![
        incident.id.as_str().into(),
        incident.target.as_str().into(),
        incident.state().as_str().into(),
        incident.opened_at.as_millis().into(),
        incident.next_due().map(Timestamp::as_millis).into(),
        tx.forms().text(incident)?.into(),
    ])
}

fn hop(row: &AnyRow) -> Result<LoggedHop, DbError> {
    let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
    let data: Option<String> = row.try_get("data")?;
    let data = data.as_deref().map(|it| rows::json("timeline data", it)).transpose()?.unwrap_or_default();
    Ok(LoggedHop { at: rows::time(row, "at")?, hop: Hop::read(&kind, &detail, data) })
}

/// The numbers of the last hops of incidents that a transaction holds, with those that it brings.
#[derive(Default)]
struct LastHops(BTreeMap<IncidentId, i64>);

/// The caller holds the incident's row, or opens it, so the numbers have no gaps and no rivals.
pub(super) fn append_hops(tx: &mut Tx<'_>, incident: &IncidentId, hops: &[LoggedHop]) -> Result<(), DbError> {
    for LoggedHop { at, hop } in hops {
        let last = tx.memory::<LastHops>().0.entry(incident.clone()).or_default();
        *last += 1;
        let seq = *last;
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
