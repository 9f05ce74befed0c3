//! The store over either engine.

use async_trait::async_trait;
use domain::audit::AuditDraft;
use domain::effects::NewMessage;
use service_kit::db::{Db, DbError};
use service_kit::outbox::{
    self, Claim, ListFilter, MessagePage, MessageView, OutboxStats, Outcome, Recorded,
};
use shared_types::story::LoggedHop;
use shared_types::{AuditEntry, Decision, IncidentId, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::{
    Act, After, AuditAfter, AuditFilter, Change, Changed, DailyMade, DecisionFilter, Due, IncidentFilter,
    NotificationFilter, ReporterStore, Settled, StoredDecision, StoredTarget, audit, change, daily, read,
    settle, webhooks,
};
use domain::effects::notification::NotificationView;
use domain::rollout::{Incident, TargetState};

/// The only implementation in production: PostgreSQL and SQLite through one SQL text.
#[derive(Debug, Clone)]
pub struct SqlStore {
    db: Db,
}

impl SqlStore {
    /// Over an open database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[async_trait]
impl ReporterStore for SqlStore {
    async fn ensure_targets(&self, targets: &[TargetName], now: Timestamp) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        for target in targets {
            sqlx::query(
                "INSERT INTO targets (target, version, phase, epoch, state, due_at, updated_at) \
                 VALUES ($1, 0, $2, 0, $3, NULL, $4) ON CONFLICT (target) DO NOTHING",
            )
            .bind(target.as_str())
            .bind(PhaseId::off().as_str())
            .bind(tx.forms().text(&TargetState::new(target.clone()))?)
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    async fn change(&self, it: Change<'_>) -> Result<Changed, DbError> {
        Box::pin(change::change(&self.db, it)).await
    }

    async fn settle(
        &self,
        claim: &Claim,
        outcome: &Outcome,
        settled: Settled<'_>,
        now: Timestamp,
    ) -> Result<Recorded, DbError> {
        settle::settle(&self.db, claim, outcome, settled, now).await
    }

    async fn target(&self, target: &TargetName) -> Result<Option<StoredTarget>, DbError> {
        read::target(&self.db, target).await
    }

    async fn targets(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredTarget>, DbError> {
        read::targets(&self.db, after, limit).await
    }

    async fn decisions_of_windows(
        &self,
        target: &TargetName,
        starts: Window,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<(Decision, bool)>, DbError> {
        daily::decisions_of_windows(&self.db, target, starts, after, limit).await
    }

    async fn daily_made(&self, target: &TargetName, date: &str) -> Result<bool, DbError> {
        daily::is_made(&self.db, target, date).await
    }

    async fn make_daily(&self, made: &DailyMade, now: Timestamp) -> Result<bool, DbError> {
        daily::make(&self.db, made, now).await
    }

    async fn revision(&self) -> Result<u64, DbError> {
        read::revision(&self.db).await
    }

    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, DbError> {
        read::incident(&self.db, id).await
    }

    async fn incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<Incident>, DbError> {
        read::incidents(&self.db, filter, after, limit).await
    }

    async fn timeline(&self, id: &IncidentId) -> Result<Vec<LoggedHop>, DbError> {
        read::timeline(&self.db, id).await
    }

    async fn decisions_of(&self, id: &IncidentId) -> Result<Vec<Uuid>, DbError> {
        read::decisions_of(&self.db, id).await
    }

    async fn decision(&self, id: Uuid) -> Result<Option<StoredDecision>, DbError> {
        read::decision(&self.db, id).await
    }

    async fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<StoredDecision>, DbError> {
        read::decisions(&self.db, filter, after, limit).await
    }

    async fn notifications(
        &self,
        filter: &NotificationFilter,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<NotificationView>, DbError> {
        read::notifications(&self.db, filter, after, limit).await
    }

    async fn thread(
        &self,
        incident: &IncidentId,
        channel: &str,
    ) -> Result<Option<serde_json::Value>, DbError> {
        read::thread(&self.db, incident, channel).await
    }

    async fn receive_event(
        &self,
        event: &str,
        kind: &str,
        page: Option<(&str, &str)>,
        work: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        webhooks::receive(&self.db, event, kind, page, work, now).await
    }

    async fn page_key(&self, page: &str) -> Result<Option<String>, DbError> {
        webhooks::dedup_key(&self.db, page).await
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u64, DbError> {
        read::forget(&self.db, "webhook_events", "received_at", before, limit).await
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Due>, DbError> {
        read::due(&self.db, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, DbError> {
        read::next_due(&self.db).await
    }

    async fn effects(
        &self,
        filter: &ListFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<MessagePage, DbError> {
        outbox::list(&self.db, filter, before, limit).await
    }

    async fn effect(&self, id: &str) -> Result<Option<MessageView>, DbError> {
        outbox::get(&self.db, id).await
    }

    async fn remember(
        &self,
        act: &Act,
        answer: &serde_json::Value,
        message: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        change::remember(&self.db, act, answer, message, now).await
    }

    async fn retry_effect(
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

    async fn note(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<AuditEntry, DbError> {
        let mut tx = self.db.begin().await?;
        let stream = audit::lock(&self.db, &mut tx, target).await?;
        let entry = audit::append(&mut tx, stream, act, now).await?;
        tx.commit().await?;
        Ok(entry)
    }

    async fn note_once(
        &self,
        target: Option<&TargetName>,
        act: AuditDraft,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let stream = audit::lock(&self.db, &mut tx, target).await?;
        if audit::holds(&mut tx, stream, &act).await? {
            return Ok(false);
        }
        audit::append(&mut tx, stream, act, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        after: Option<&AuditAfter>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError> {
        audit::list(&self.db, filter, after, limit).await
    }

    async fn audit_stream_after(&self, stream: &str) -> Result<Option<String>, DbError> {
        audit::stream_after(&self.db, stream).await
    }

    async fn audit_heads(&self, since: Timestamp) -> Result<Vec<(String, u64)>, DbError> {
        audit::heads(&self.db, since).await
    }

    async fn audit_head(&self, stream: &str) -> Result<u64, DbError> {
        audit::head(&self.db, stream).await
    }

    async fn audit_piece(&self, stream: &str, seq: u64, limit: u32) -> Result<Vec<AuditEntry>, DbError> {
        audit::piece(&self.db, stream, seq, limit).await
    }

    async fn audit_of(
        &self,
        target: &TargetName,
        incident: &IncidentId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, DbError> {
        audit::of_incident(&self.db, target.as_str(), incident, since, limit).await
    }

    async fn outbox_stats(&self, now: Timestamp) -> Result<OutboxStats, DbError> {
        outbox::stats(&self.db, now).await
    }

    async fn ping(&self) -> Result<(), DbError> {
        self.db.ping().await
    }

    async fn forget(
        &self,
        decisions_before: Option<Timestamp>,
        notifications_before: Option<Timestamp>,
        limit: u32,
    ) -> Result<u64, DbError> {
        let mut gone = 0;
        if let Some(before) = decisions_before {
            gone += read::forget(&self.db, "decisions", "received_at", before, limit).await?;
        }
        if let Some(before) = notifications_before {
            gone += read::forget(&self.db, "notifications", "created_at", before, limit).await?;
        }
        Ok(gone)
    }
}
