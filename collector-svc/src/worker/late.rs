//! The collector's own watch: a window that is not delivered in time is told to the analyzer, once (CO-4).

use std::time::Duration;

use service_kit::db::DbError;
use shared_types::Timestamp;

use super::Worker;
use super::flush::Extra;
use super::undelivered::Undelivered;
use crate::effects::messages;
use crate::schedule::Planned;

/// Pushes make many turns a second; nothing gets late so fast.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Windows told by one turn.
const WINDOWS_PER_TURN: usize = 64;

impl Worker {
    /// Raises `collector.delayed` for every window that is overdue and was not told yet.
    pub(super) async fn watch(&mut self, now: Timestamp) -> Result<(), DbError> {
        let looked = now >= self.watched_at && now.since(self.watched_at) < LOOK_EVERY;
        if self.state.is_held(now) || looked {
            return Ok(());
        }
        if now < self.watched_at {
            // The clock was put back.
            self.undelivered = Undelivered::Unknown;
        }
        self.watched_at = now;
        let mut extra = Extra::default();
        let before = self.state.watched_until;
        while extra.messages.len() < WINDOWS_PER_TURN {
            let Some((planned, attempts, detail)) = self.overdue(now).await? else { break };
            tracing::warn!(target_name = %self.target, window = %planned.window, detail, "delayed");
            extra.messages.push(messages::delayed(&self.target, &planned, attempts, &detail, now));
            self.state.watched_until = planned.window.end;
        }
        if self.state.watched_until > before {
            self.commit(extra, now).await?;
        }
        Ok(())
    }

    /// The oldest window that is overdue: closed and not delivered, or not even closed.
    async fn overdue(&mut self, now: Timestamp) -> Result<Option<(Planned, u32, String)>, DbError> {
        let oldest = self.state.closed_until.min(self.state.watched_until);
        let delayed_after = self.versions.of(oldest).policy.collection.delayed_after;
        if self.undelivered.may_be_late(now) {
            let closed = self.store.oldest_undelivered(&self.target, self.state.watched_until).await?;
            let Some(row) = closed else {
                self.undelivered = Undelivered::None;
                return Ok(self.unclosed(now, delayed_after));
            };
            let batch = &row.batch;
            let from = self.state.resumed_at.map_or(batch.window.end, |at| at.max(batch.window.end));
            let late_at = from.plus(delayed_after);
            if late_at > now {
                self.undelivered = Undelivered::LateAt(late_at);
                return Ok(None);
            }
            let planned = Planned { window: batch.window, phase: batch.phase.clone(), epoch: batch.epoch };
            let detail = row.last_error.unwrap_or_else(|| "the batch was completed late".to_owned());
            return Ok(Some((planned, row.attempts, detail)));
        }
        match self.undelivered {
            Undelivered::LateAt(_) => Ok(None),
            Undelivered::Unknown | Undelivered::None => Ok(self.unclosed(now, delayed_after)),
        }
    }

    /// The oldest window that ought to be closed.
    fn unclosed(&self, now: Timestamp, delayed_after: Duration) -> Option<(Planned, u32, String)> {
        let planned = self.state.overdue(now, delayed_after)?;
        let cause = self.state.source.last_error.clone();
        let detail = cause.unwrap_or_else(|| "the window is not closed yet".to_owned());
        Some((planned, self.state.source.failures, detail))
    }
}
