//! Effects, as people look after them.

use std::collections::BTreeMap;

use domain::audit::AuditDraft;
use domain::effects::RunTransition;
use domain::stored::Document as _;
use service_kit::db::DbError;
use service_kit::outbox::{self, ListFilter, MessagePage, MessageView, OutboxStats};
use shared_types::rollout::GivenUp;
use shared_types::{IncidentId, TargetName, Timestamp};

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
            audit::append(&mut tx, stream, vec![act], now).await?;
        }
        tx.commit().await?;
        Ok(retried)
    }

    /// What was given up and not told of yet.
    pub async fn losses(&self, limit: u32) -> Result<Vec<MessageView>, DbError> {
        outbox::losses(&self.db, limit).await
    }

    /// What is given up now, by target, the newest of all; what the machine tells of by itself stands in its own words.
    pub async fn given_up(&self) -> Result<BTreeMap<TargetName, Vec<GivenUp>>, DbError> {
        const SHOWN: u32 = 200;
        let mut found: BTreeMap<TargetName, Vec<GivenUp>> = BTreeMap::new();
        for row in outbox::given_up(&self.db, SHOWN).await? {
            let Some(target) = target_of(&row).filter(|_| row.kind != RunTransition::KIND) else { continue };
            found.entry(target).or_default().push(GivenUp {
                at: row.finished_at.unwrap_or(row.due_at),
                incident: row.payload["incident"].as_str().and_then(|it| IncidentId::parse(it).ok()),
                effect: row.id,
                kind: row.kind,
                lane: row.lane,
                reason: row.last_error.unwrap_or_default(),
            });
        }
        Ok(found)
    }

    /// Marks one as told of that there is nobody to tell of.
    pub async fn pass_loss(&self, id: &str) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        outbox::take_loss(&mut tx, id).await?;
        tx.commit().await
    }

    pub async fn outbox_stats(&self, now: Timestamp) -> Result<OutboxStats, DbError> {
        outbox::stats(&self.db, now).await
    }
}

/// As every effect that is about a target says it: also one of a later release, or one that is damaged.
#[must_use]
pub fn target_of(row: &MessageView) -> Option<TargetName> {
    let payload = &row.payload;
    let name = payload["target"].as_str().or_else(|| payload["directive"]["target"].as_str());
    name.and_then(|it| TargetName::parse(it).ok())
}
