//! Effects, as people look after them.

use domain::audit::AuditDraft;
use service_kit::db::DbError;
use service_kit::outbox::{self, ListFilter, MessagePage, MessageView, OutboxStats};
use shared_types::{TargetName, Timestamp};

use super::{Store, audit};

impl Store {
    pub async fn effects(
        &self,
        filter: &ListFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<MessagePage, DbError> {
        outbox::list(&self.db, filter, before, limit).await
    }

    pub async fn effect(&self, id: &str) -> Result<Option<MessageView>, DbError> {
        outbox::get(&self.db, id).await
    }

    /// Makes a dead effect ready again, with the act's audit row in `target`'s stream; false if it is not dead.
    pub async fn retry_effect(
        &self,
        id: &str,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let stream = audit::lock(&self.db, &mut tx, target).await?;
        let retried = outbox::retry_dead(&mut tx, id, now).await?;
        if retried {
            audit::append(&mut tx, stream, act, now).await?;
        }
        tx.commit().await?;
        Ok(retried)
    }

    pub async fn outbox_stats(&self, now: Timestamp) -> Result<OutboxStats, DbError> {
        outbox::stats(&self.db, now).await
    }
}
