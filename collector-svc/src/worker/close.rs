//! Closing windows: `grace` after their end, each becomes the one batch of its window (CO-1, CO-2).

use std::sync::Arc;
use std::time::Duration;

use service_kit::db::DbError;
use shared_types::{Timestamp, Window};

use super::Worker;
use super::flush::{Extra, InFlight};
use super::undelivered::Undelivered;
use crate::counters;
use crate::effects::{DeliverBatch, WriteArchive};
use crate::schedule::Planned;
use crate::store::ClosedWindow;
use domain::telemetry::totals::BatchHead;

/// Windows closed by one commit.
const WINDOWS_PER_COMMIT: usize = 32;

impl Worker {
    /// Closes what is due. True: there is more.
    pub(super) async fn close_due(&mut self, now: Timestamp) -> Result<bool, DbError> {
        if self.state.is_held(now) {
            return Ok(false);
        }
        // What the source had before this moment is counted.
        let Some(complete) = self.caught_up_at.map(|at| at.min(now)) else { return Ok(false) };
        let version = Arc::clone(self.versions.of(self.state.closed_until));
        let collection = &version.policy.collection;
        if !self.is_on_time(collection.grace) {
            return Ok(false);
        }
        let open = self.intake.open_windows();
        let (closed_until, grace) = (self.state.closed_until, collection.grace);
        let due = self.state.schedule.due(closed_until, complete, grace, &open, WINDOWS_PER_COMMIT);
        let due = self.versions.of_one_version(due);
        if due.closed_until == self.state.closed_until {
            return Ok(false);
        }
        let mut extra = Extra::default();
        for planned in &due.windows {
            let closed = self.close(planned, now).await?;
            let (target, window_start) = (self.target.clone(), planned.window.start);
            if closed.sent {
                let deliver = DeliverBatch { target: target.clone(), window_start };
                extra.messages.push(deliver.message(&collection.retry, now));
            }
            extra.messages.push(WriteArchive { target, window_start }.message(now));
            extra.closed.push(closed);
        }
        let closed_now = due.windows.len();
        self.in_flight = Some(InFlight::default());
        self.stale = true;
        self.undelivered = Undelivered::Unknown;
        self.state.closed_until = due.closed_until;
        self.state.schedule.forget_before(due.closed_until);
        self.state.forget_pauses();
        let span = tracing::info_span!("close_windows", target_name = %self.target, windows = closed_now);
        if tracing::Instrument::instrument(self.commit(extra, now), span).await? {
            self.closed(&due.windows);
            self.stale |= self.versions.has_spent(self.state.closed_until);
        }
        Ok(closed_now >= WINDOWS_PER_COMMIT)
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

    async fn close(&self, planned: &Planned, now: Timestamp) -> Result<ClosedWindow, DbError> {
        let totals = self.store.totals(&self.target, planned.window.start).await?;
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

    fn closed(&mut self, windows: &[Planned]) {
        let mut open = self.intake.open_windows();
        open.retain(|start| *start >= self.state.closed_until);
        self.tell_intake(&open);
        for planned in windows {
            counters::closed(&self.target, &planned.phase);
            tracing::info!(target_name = %self.target, window = %planned.window, phase = %planned.phase,
                epoch = planned.epoch, "window closed");
        }
    }
}
