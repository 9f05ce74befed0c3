//! Queries. Lists go newest first, by time and id, so that a page is an index lookup.

use service_kit::db::{Db, DbError};
use shared_types::story::LoggedHop;
use shared_types::{IncidentId, TargetName, Timestamp, Verdict};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::rows::{self, incident_state, json};
use super::{After, DecisionFilter, Due, IncidentFilter, NotificationFilter, StoredDecision, StoredTarget};
use domain::effects::notification::NotificationView;
use domain::rollout::Incident;

pub(super) async fn target(db: &Db, target: &TargetName) -> Result<Option<StoredTarget>, DbError> {
    let row = sqlx::query("SELECT target, version, state FROM targets WHERE target = $1")
        .bind(target.as_str())
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(|row| rows::target(db.forms(), row)).transpose()
}

pub(super) async fn targets(db: &Db, after: Option<&str>, limit: u32) -> Result<Vec<StoredTarget>, DbError> {
    let found =
        sqlx::query("SELECT target, version, state FROM targets WHERE target > $1 ORDER BY target LIMIT $2")
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(db.pool())
            .await?;
    found.iter().map(|row| rows::target(db.forms(), row)).collect()
}

pub(super) async fn revision(db: &Db) -> Result<u64, DbError> {
    // PostgreSQL's SUM of BIGINT is NUMERIC.
    let row = sqlx::query("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) AS revision FROM targets")
        .fetch_one(db.pool())
        .await?;
    rows::count(&row, "revision")
}

pub(super) async fn incident(db: &Db, id: &IncidentId) -> Result<Option<Incident>, DbError> {
    let row = sqlx::query("SELECT id, body FROM incidents WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(|row| rows::incident(db.forms(), row)).transpose()
}

/// `SELECT … WHERE … ORDER BY time DESC, id DESC LIMIT …` with the filters that are given.
fn listing(select: &str, time: &str, filters: &[(&str, Option<&str>)], after: Option<&After>) -> String {
    let mut sql = format!("{select} WHERE 1 = 1");
    let mut next = 2;
    for (column, value) in filters {
        if value.is_some() {
            sql.push_str(&format!(" AND {column} = ${next}"));
            next += 1;
        }
    }
    if after.is_some() {
        let (at, id) = (next, next + 1);
        // As a row it is a range of the index; as `<` or `=` and `<` PostgreSQL reads all newer rows first.
        sql.push_str(&format!(" AND ({time}, id) < (${at}, ${id})"));
    }
    sql.push_str(&format!(" ORDER BY {time} DESC, id DESC LIMIT $1"));
    sql
}

async fn list(
    db: &Db,
    sql: String,
    filters: &[(&str, Option<&str>)],
    after: Option<&After>,
    limit: u32,
) -> Result<Vec<sqlx::any::AnyRow>, DbError> {
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit));
    for (_, value) in filters {
        if let Some(value) = value {
            query = query.bind(*value);
        }
    }
    if let Some((at, id)) = after {
        query = query.bind(*at).bind(id.as_str());
    }
    Ok(query.fetch_all(db.pool()).await?)
}

pub(super) async fn incidents(
    db: &Db,
    filter: &IncidentFilter,
    after: Option<&After>,
    limit: u32,
) -> Result<Vec<Incident>, DbError> {
    let filters = [
        ("target", filter.target.as_ref().map(TargetName::as_str)),
        ("state", filter.state.map(incident_state)),
    ];
    let sql = listing("SELECT id, body FROM incidents", "opened_at", &filters, after);
    let found = list(db, sql, &filters, after, limit).await?;
    found.iter().map(|row| rows::incident(db.forms(), row)).collect()
}

pub(super) async fn timeline(db: &Db, id: &IncidentId) -> Result<Vec<LoggedHop>, DbError> {
    let found =
        sqlx::query("SELECT at, kind, detail, data FROM timeline WHERE incident = $1 ORDER BY at, seq")
            .bind(id.as_str())
            .fetch_all(db.pool())
            .await?;
    found.iter().map(rows::hop).collect()
}

pub(super) async fn decisions_of(db: &Db, id: &IncidentId) -> Result<Vec<Uuid>, DbError> {
    let found: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM decisions WHERE incident = $1 ORDER BY received_at, window_end LIMIT 1000",
    )
    .bind(id.as_str())
    .fetch_all(db.pool())
    .await?;
    found.iter().map(|(id,)| rows::uuid("decision id", id)).collect()
}

pub(super) async fn decision(db: &Db, id: Uuid) -> Result<Option<StoredDecision>, DbError> {
    let row = sqlx::query("SELECT id, body, stale, incident FROM decisions WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db.pool())
        .await?;
    row.as_ref().map(|row| rows::decision(db.forms(), row)).transpose()
}

pub(super) async fn decisions(
    db: &Db,
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
    let found = list(db, sql, &filters, after, limit).await?;
    found.iter().map(|row| rows::decision(db.forms(), row)).collect()
}

pub(super) async fn notifications(
    db: &Db,
    filter: &NotificationFilter,
    after: Option<&After>,
    limit: u32,
) -> Result<Vec<NotificationView>, DbError> {
    let filters = [
        ("target", filter.target.as_ref().map(TargetName::as_str)),
        ("incident", filter.incident.as_ref().map(IncidentId::as_str)),
        ("kind", filter.kind.as_deref()),
        ("state", filter.state.as_deref()),
    ];
    let sql = listing("SELECT * FROM notifications", "created_at", &filters, after);
    let found = list(db, sql, &filters, after, limit).await?;
    found.iter().map(rows::notification).collect()
}

pub(super) async fn thread(
    db: &Db,
    incident: &IncidentId,
    channel: &str,
) -> Result<Option<serde_json::Value>, DbError> {
    let row: Option<(Option<String>,)> = sqlx::query_as(
        "SELECT outcome FROM notifications WHERE incident = $1 AND channel = $2 AND state = 'sent' \
         ORDER BY created_at, id LIMIT 1",
    )
    .bind(incident.as_str())
    .bind(channel)
    .fetch_optional(db.pool())
    .await?;
    row.and_then(|(outcome,)| outcome).map(|it| json("notification outcome", &it)).transpose()
}

pub(super) async fn due(db: &Db, now: Timestamp, limit: u32) -> Result<Vec<Due>, DbError> {
    let found = sqlx::query(
        "SELECT target, NULL AS incident, due_at FROM targets WHERE due_at IS NOT NULL AND due_at <= $1 \
         UNION ALL \
         SELECT target, id AS incident, due_at FROM incidents WHERE due_at IS NOT NULL AND due_at <= $1 \
         ORDER BY due_at LIMIT $2",
    )
    .bind(now.as_millis())
    .bind(i64::from(limit))
    .fetch_all(db.pool())
    .await?;
    let due = |row: &sqlx::any::AnyRow| {
        let incident: Option<String> = row.try_get("incident")?;
        Ok(Due {
            target: rows::name("target", &row.try_get::<String, _>("target")?)?,
            incident: incident.as_deref().map(|it| rows::name("incident id", it)).transpose()?,
        })
    };
    found.iter().map(due).collect()
}

pub(super) async fn next_due(db: &Db) -> Result<Option<Timestamp>, DbError> {
    let row: (Option<i64>,) = sqlx::query_as(
        "SELECT MIN(due_at) FROM (SELECT MIN(due_at) AS due_at FROM targets WHERE due_at IS NOT NULL \
         UNION ALL SELECT MIN(due_at) AS due_at FROM incidents WHERE due_at IS NOT NULL) AS everything",
    )
    .fetch_one(db.pool())
    .await?;
    Ok(row.0.map(Timestamp::from_millis))
}

pub(super) async fn forget(
    db: &Db,
    table: &'static str,
    time: &'static str,
    before: Timestamp,
    limit: u32,
) -> Result<u64, DbError> {
    let some = format!("SELECT id FROM {table} WHERE {time} < $1 ORDER BY {time} LIMIT $2");
    let first = sqlx::query(AssertSqlSafe(some.clone()))
        .bind(before.as_millis())
        .bind(1_i64)
        .fetch_optional(db.pool())
        .await?;
    if first.is_none() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    let gone = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE id IN ({some})")))
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&mut *tx)
        .await?
        .rows_affected();
    tx.commit().await?;
    Ok(gone)
}
