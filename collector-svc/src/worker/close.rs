//! Closing windows: `grace` after their end, each becomes the one batch of its window (CO-1, CO-2).

use std::sync::Arc;
use std::time::Duration;

use service_kit::db::DbError;
use shared_types::{Timestamp, Window};

use super::Worker;
use super::flush::Extra;
use super::undelivered::Undelivered;
use crate::counters;
use crate::effects::{DeliverBatch, WriteArchive};
use crate::schedule::{Due, Planned};
use crate::store::ClosedWindow;
use domain::telemetry::totals::BatchHead;

/// Windows closed by one commit: a day's, so that after a night's sleep none is stored that is closed at once.
const WINDOWS_PER_COMMIT: usize = 100;

impl Worker {
    /// What is due to be closed, where what the source had before `complete` is counted.
    pub(super) fn due(&mut self, complete: Option<Timestamp>, now: Timestamp) -> Option<Due> {
        if self.state.is_held(now) {
            return None;
        }
        let complete = complete?.min(now);
        let grace = self.versions.of(self.state.closed_until).policy.collection.grace;
        if !self.is_on_time(grace) {
            return None;
        }
        let open = self.intake.open_windows();
        let due =
            self.state.schedule.due(self.state.closed_until, complete, grace, &open, WINDOWS_PER_COMMIT);
        let due = self.versions.of_one_version(due);
        (due.closed_until > self.state.closed_until).then_some(due)
    }

    /// Makes the batches of what is due, of what is stored and of what was counted since; the next commit has them.
    pub(super) async fn close(
        &mut self,
        due: &Due,
        extra: &mut Extra,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let version = Arc::clone(self.versions.of(self.state.closed_until));
        let changes = self.intake.take_changes();
        self.begin().changes = changes;
        for planned in &due.windows {
            let closed = self.closed_window(planned, now).await?;
            let (target, window_start) = (self.target.clone(), planned.window.start);
            if closed.sent {
                let deliver = DeliverBatch { target: target.clone(), window_start };
                extra.messages.push(deliver.message(&version.policy.collection.retry, now));
            }
            extra.messages.push(WriteArchive { target, window_start }.message(now));
            extra.closed.push(closed);
        }
        self.undelivered = Undelivered::Unknown;
        self.state.closed_until = due.closed_until;
        self.state.schedule.forget_before(due.closed_until);
        self.state.forget_pauses();
        Ok(())
    }

    /// OP-5: whether our clock may close windows; that it may not is said once.
    fn is_on_time(&mut self, grace: Duration) -> bool {
        let (on_time, ahead) = (self.clock.may_close(grace), self.clock.ahead().unwrap_or_default());
        let was_ahead = std::mem::replace(&mut self.ahead_of_time, ahead > grace);
        if self.ahead_of_time && !was_ahead {
            let ahead_s = ahead.as_secs();
            tracing::error!(target_name = %self.target, ahead_s, "our clock is ahead of the analyzer's; no window is closed until it is put right");
        } else if was_ahead && !self.ahead_of_time {
            tracing::info!(target_name = %self.target, "our clock is right again; windows are closed");
        }
        on_time
    }

    async fn closed_window(&mut self, planned: &Planned, now: Timestamp) -> Result<ClosedWindow, DbError> {
        let mut totals = self.store.totals(&self.target, planned.window.start).await?;
        let mut changes = self.begin().changes.iter_mut();
        if let Some(change) = changes.find(|change| change.start == planned.window.start) {
            totals = totals.with(std::mem::take(&mut change.totals));
        }
        let following = self.state.schedule.at(planned.window.end).window;
        let version = self.versions.of(planned.window.start);
        let due = planned.window.end.plus(version.policy.collection.grace);
        let head = BatchHead {
            target: self.target.clone(),
            phase: planned.phase.clone(),
            epoch: planned.epoch,
            window: planned.window,
            next_window: Some(Window { ..following }),
            attempts: self.state.source.attempts_for(due),
            source: self.source,
            collected_at: now,
            paused: self.state.paused_in(Window { start: planned.window.end, end: now }),
            policy_version: Some(version.id.clone()),
        };
        let sent = planned.phase.is_gated();
        Ok(ClosedWindow { batch: totals.into_batch(head, &version.specs), sent })
    }

    /// After the commit. True: there may be more.
    pub(super) fn closed(&mut self, due: &Due, committed: bool) -> bool {
        if committed {
            let mut open = self.intake.open_windows();
            open.retain(|start| *start >= self.state.closed_until);
            self.tell_intake(&open);
            for planned in &due.windows {
                counters::closed(&self.target, &planned.phase);
                tracing::info!(target_name = %self.target, window = %planned.window, phase = %planned.phase,
                    epoch = planned.epoch, "window closed");
            }
            self.stale |= self.versions.has_spent(self.state.closed_until);
        }
        due.windows.len() >= WINDOWS_PER_COMMIT
    }
}
