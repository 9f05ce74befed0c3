//! Incidents and what happened on them.

use domain::rollout::Incident;
use service_kit::db::DbError;
use shared_types::incident::IncidentState;
use shared_types::story::LoggedHop;
use shared_types::{IncidentId, TargetName};
use uuid::Uuid;

use super::list::{list, listing};
use super::{After, IncidentFilter, Store, rows};

impl Store {
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, DbError> {
        let row = sqlx::query("SELECT id, body FROM incidents WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.db.pool())
            .await?;
        row.as_ref().map(|row| rows::incident(self.db.forms(), row)).transpose()
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
        let sql = listing("SELECT id, body FROM incidents", "opened_at", &filters, after);
        let found = list(&self.db, sql, &filters, after, limit).await?;
        found.iter().map(|row| rows::incident(self.db.forms(), row)).collect()
    }

    pub async fn timeline(&self, id: &IncidentId) -> Result<Vec<LoggedHop>, DbError> {
        let found =
            sqlx::query("SELECT at, kind, detail, data FROM timeline WHERE incident = $1 ORDER BY at, seq")
                .bind(id.as_str())
                .fetch_all(self.db.pool())
                .await?;
        found.iter().map(rows::hop).collect()
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
