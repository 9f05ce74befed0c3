//! What was told to people.

use domain::effects::notification::NotificationView;
use serde_json::Value;
use service_kit::db::DbError;
use shared_types::{IncidentId, TargetName};

use super::list::{list, listing};
use super::rows::json;
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
        found.iter().map(rows::notification).collect()
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
        row.and_then(|(outcome,)| outcome).map(|it| json("notification outcome", &it)).transpose()
    }
}
