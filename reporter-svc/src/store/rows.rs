//! Rows to values.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use service_kit::db::DbError;
use service_kit::forms::Forms;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{IncidentId, TargetName, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{StoredDecision, StoredTarget};
use domain::effects::notification::{NotificationState, NotificationView};
use domain::rollout::Incident;

pub(super) fn json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::decode(what, error))
}

pub(super) fn name<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    what: &'static str,
    text: &str,
) -> Result<T, DbError> {
    text.parse().map_err(|error| DbError::decode(what, error))
}

pub(super) fn count(row: &AnyRow, column: &str) -> Result<u64, DbError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

fn small(row: &AnyRow, column: &str) -> Result<u32, DbError> {
    Ok(u32::try_from(count(row, column)?).unwrap_or(u32::MAX))
}

pub(super) fn time(row: &AnyRow, column: &str) -> Result<Timestamp, DbError> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

pub(super) fn target(forms: &Forms, row: &AnyRow) -> Result<StoredTarget, DbError> {
    let (name, state): (String, String) = (row.try_get("target")?, row.try_get("state")?);
    Ok(StoredTarget { state: forms.read(&name, &state)?, version: count(row, "version")? })
}

pub(super) fn hop(row: &AnyRow) -> Result<LoggedHop, DbError> {
    let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
    let data: Option<String> = row.try_get("data")?;
    let data = data.as_deref().map(|it| json("timeline data", it)).transpose()?.unwrap_or_default();
    Ok(LoggedHop { at: time(row, "at")?, hop: Hop::read(&kind, &detail, data) })
}

pub(super) fn incident(forms: &Forms, row: &AnyRow) -> Result<Incident, DbError> {
    forms.read(&row.try_get::<String, _>("id")?, &row.try_get::<String, _>("body")?)
}

pub(super) fn decision(forms: &Forms, row: &AnyRow) -> Result<StoredDecision, DbError> {
    let (id, body): (String, String) = (row.try_get("id")?, row.try_get("body")?);
    let incident: Option<String> = row.try_get("incident")?;
    Ok(StoredDecision {
        decision: forms.read_wire(&id, &body)?,
        stale: count(row, "stale")? != 0,
        incident: incident.as_deref().map(|it| name("incident id", it)).transpose()?,
    })
}

pub(super) fn uuid(what: &'static str, text: &str) -> Result<Uuid, DbError> {
    name(what, text)
}

pub(super) fn notification(row: &AnyRow) -> Result<NotificationView, DbError> {
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let state: String = row.try_get("state")?;
    let sent_at: Option<i64> = row.try_get("sent_at")?;
    let unknown_state = || DbError::decode("notification state", std::io::Error::other(state.clone()));
    Ok(NotificationView {
        id: uuid("notification id", &row.try_get::<String, _>("id")?)?,
        target: name::<TargetName>("target", &row.try_get::<String, _>("target")?)?,
        kind: row.try_get("kind")?,
        channel: row.try_get("channel")?,
        text: row.try_get("text")?,
        incident: text("incident")?.as_deref().map(|it| name::<IncidentId>("incident id", it)).transpose()?,
        decision: text("decision")?.as_deref().map(|it| uuid("decision id", it)).transpose()?,
        state: state.parse::<NotificationState>().map_err(|_| unknown_state())?,
        attempts: small(row, "attempts")?,
        unknowns: small(row, "unknowns")?,
        created_at: time(row, "created_at")?,
        sent_at: sent_at.map(Timestamp::from_millis),
        outcome: text("outcome")?.as_deref().map(|it| json("notification outcome", it)).transpose()?,
        last_error: text("last_error")?,
    })
}

/// What is stored is always serialisable; were it not, that is a bug worth its own name.
pub(super) fn text<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::decode(what, error))
}
