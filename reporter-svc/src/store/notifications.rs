//! What was told to people.

use domain::effects::notification::{Notification, NotificationState, NotificationView};
use serde_json::Value;
use service_kit::db::{DbError, Tx};
use shared_types::{IncidentId, TargetName, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::list::{list, listing};
use super::{After, NotificationFilter, Store, rows};

impl Store {
    pub async fn notifications(
        &self,
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
        let found = list(&self.db, sql, &filters, after, limit).await?;
        found.iter().map(read).collect()
    }

    /// What the messenger answered to the incident's first message in a channel.
    pub async fn thread(&self, incident: &IncidentId, channel: &str) -> Result<Option<Value>, DbError> {
        let row: Option<(Option<String>,)> = sqlx::query_as(
            "SELECT outcome FROM notifications WHERE incident = $1 AND channel = $2 AND state = 'sent' \
             ORDER BY created_at, id LIMIT 1",
        )
        .bind(incident.as_str())
        .bind(channel)
        .fetch_optional(self.db.pool())
        .await?;
        row.and_then(|(outcome,)| outcome).map(|it| rows::json("notification outcome", &it)).transpose()
    }
}

fn read(row: &AnyRow) -> Result<NotificationView, DbError> {
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let state: String = row.try_get("state")?;
    let sent_at: Option<i64> = row.try_get("sent_at")?;
    let unknown_state = || DbError::decode("notification state", std::io::Error::other(state.clone()));
    Ok(NotificationView {
        id: rows::uuid("notification id", &row.try_get::<String, _>("id")?)?,
        target: rows::name::<TargetName>("target", &row.try_get::<String, _>("target")?)?,
        kind: row.try_get("kind")?,
        channel: row.try_get("channel")?,
        text: row.try_get("text")?,
        incident: text("incident")?
            .as_deref()
            .map(|it| rows::name::<IncidentId>("incident id", it))
            .transpose()?,
        decision: text("decision")?.as_deref().map(|it| rows::uuid("decision id", it)).transpose()?,
        state: state.parse::<NotificationState>().map_err(|_| unknown_state())?,
        attempts: rows::small(row, "attempts")?,
        unknowns: rows::small(row, "unknowns")?,
        created_at: rows::time(row, "created_at")?,
        sent_at: sent_at.map(Timestamp::from_millis),
        outcome: text("outcome")?.as_deref().map(|it| rows::json("notification outcome", it)).transpose()?,
        last_error: text("last_error")?,
    })
}

pub(super) fn save(tx: &mut Tx<'_>, it: &Notification, now: Timestamp) {
    let columns = &["id", "target", "kind", "channel", "text", "incident", "decision", "state", "created_at"];
    let row = vec![
        it.id.to_string().into(),
        it.target.as_str().into(),
        <&str>::from(it.kind).into(),
        it.channel.as_str().into(),
        rows::storable(&it.text).into(),
        it.incident.as_ref().map(IncidentId::as_str).into(),
        it.decision.map(|id| id.to_string()).into(),
        NotificationState::Pending.as_str().into(),
        now.as_millis().into(),
    ];
    tx.insert("notifications", columns, row);
}
