//! Reading a source piece by piece, and how much of it one commit carries.
//!
//! A piece is counted while the next one is read. While there is more, pieces are gathered: a commit costs a sync of the disk,
//! and of a window that is closed by the commit that counts it nothing but its batch is stored. Nobody waits for that: what was
//! pushed, and what was all there was, is committed at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::effects::NewMessage;
use futures_util::future::join;
use service_kit::clock::Clock as _;
use service_kit::db::DbError;
use shared_types::Timestamp;
use tracing::Instrument as _;

use super::Worker;
use super::ahead::Read;
use super::flush::Extra;
use crate::counters;
use crate::effects::messages;
use crate::sources::{Asked, Contribution, Input, Source as _, SourceError};

/// Bytes that one commit carries while there is more.
const GATHERED: usize = 32 << 20;
/// After a window was due, and nobody has written, another collector steps in: what this one knows of the others may be as old as that.
const STEP_IN_AFTER: Duration = Duration::from_secs(10);
/// A source that is slow is committed after so long.
const GATHERED_FOR: Duration = Duration::from_secs(1);

/// What one read gave; its places have moved on.
#[derive(Debug)]
struct Piece {
    found: Vec<Contribution>,
    bytes: usize,
    caught_up: bool,
    /// When the read began, if it worked.
    began: Option<Timestamp>,
}

/// What the next commit carries besides what was counted.
#[derive(Debug, Default)]
struct Gathered {
    extra: Extra,
    bytes: usize,
    /// There is something to be committed.
    changed: bool,
}

/// How what was gathered is committed.
#[derive(Debug)]
struct Ending {
    gathered: Gathered,
    /// What the source had before this moment is counted.
    complete: Option<Timestamp>,
}

/// What came of it.
#[derive(Debug)]
struct Ended {
    /// False: somebody else was there first.
    committed: bool,
    /// More is due than one commit closes.
    more_windows: bool,
}

impl Worker {
    /// Reads what is there, counts it, closes what is due, and commits all that, with a pause's end if there was one. True:
    /// there is more.
    pub(super) async fn take_in(
        &mut self,
        now: Timestamp,
        resumed: Option<NewMessage>,
    ) -> Result<bool, DbError> {
        let mut gathered = Gathered { changed: resumed.is_some(), ..Gathered::default() };
        gathered.extra.messages.extend(resumed);
        let mut piece = self.next_piece(now, &mut gathered).await;
        let pushed = self.push.read(&self.asked(now)).await.unwrap_or_default();
        let answer_is_awaited = !pushed.contributions.is_empty();
        gathered.changed |= answer_is_awaited;
        piece.found.extend(pushed.contributions);
        loop {
            gathered.bytes += piece.bytes;
            let is_last = piece.caught_up
                || piece.bytes == 0
                || answer_is_awaited
                || self.push.0.is_waiting()
                || gathered.bytes >= GATHERED
                || self.clock.now().since(now) >= GATHERED_FOR;
            let complete = piece.began.filter(|_| piece.caught_up).or(self.caught_up_at);
            if gathered.changed {
                self.begin();
            }
            let ending = is_last.then(|| Ending { gathered: std::mem::take(&mut gathered), complete });
            let ended = self.count_and_read_ahead(piece.found, ending, !piece.caught_up, now).await?;
            if let Some(Ended { committed, more_windows }) = ended {
                if committed {
                    self.caught_up_at = complete;
                }
                return Ok(more_windows || !(piece.caught_up && pushed.caught_up));
            }
            piece = self.next_piece(now, &mut gathered).await;
        }
    }

    /// Counts, and commits if that was the last piece; the next one is read and parsed meanwhile, if there is one.
    async fn count_and_read_ahead(
        &mut self,
        found: Vec<Contribution>,
        ending: Option<Ending>,
        read_ahead: bool,
        now: Timestamp,
    ) -> Result<Option<Ended>, DbError> {
        let (mut pull, mut ahead) = (self.pull.take(), std::mem::take(&mut self.ahead));
        let asked = self.asked(now);
        let enough = AtomicBool::new(false);
        let reading = async {
            if let (Some(pull), true) = (&mut pull, read_ahead) {
                ahead.fill(pull.as_mut(), asked, &enough).await;
            }
        };
        let counting = async {
            self.count_all(found, now).await?;
            let ended = match ending {
                Some(ending) => Some(self.end(ending, now).await?),
                None => None,
            };
            enough.store(true, Ordering::Relaxed);
            Ok(ended)
        };
        // The read is polled first: it goes on in a thread of its own while this one counts.
        let ((), ended) = join(reading, counting).await;
        (self.pull, self.ahead) = (pull, ahead);
        ended
    }

    /// Closes what is due and commits.
    async fn end(&mut self, ending: Ending, now: Timestamp) -> Result<Ended, DbError> {
        let Ending { gathered: Gathered { mut extra, changed, .. }, complete } = ending;
        let due = self.due(complete, now);
        if let Some(due) = &due {
            self.close(due, &mut extra, now).await?;
        } else if !changed {
            return Ok(Ended { committed: true, more_windows: false });
        }
        // What is sent because of it goes on in its trace.
        let span = due.as_ref().map_or_else(tracing::Span::none, |due| {
            tracing::info_span!("close_windows", target_name = %self.target, windows = due.windows.len())
        });
        let committed = self.commit(extra, now).instrument(span).await?;
        let more_windows = due.is_some_and(|due| self.closed(&due, committed));
        Ok(Ended { committed, more_windows })
    }

    /// What was read ahead, or what is there now. What went wrong is told by the commit.
    async fn next_piece(&mut self, now: Timestamp, gathered: &mut Gathered) -> Piece {
        let (result, began) = self.read_pull(now).await;
        let input = match result {
            None => Input { caught_up: true, ..Input::default() },
            Some(Ok(mut input)) => {
                gathered.changed |= self.state.source.succeeded(now);
                self.left_out = std::mem::take(&mut input.left_out);
                input
            }
            Some(Err(error)) => {
                gathered.changed = true;
                self.source_failed(&error, now, &mut gathered.extra.messages);
                Input { caught_up: true, ..Input::default() }
            }
        };
        gathered.changed |= !(input.contributions.is_empty() && input.moved.is_empty());
        for moved in input.moved {
            gathered.extra.moved.insert(moved.place.clone());
            self.places.take(self.source, moved);
        }
        Piece { found: input.contributions, bytes: input.bytes, caught_up: input.caught_up, began }
    }

    /// `None`: there is no such source, or it is not its time. With the moment the read began, if it worked.
    async fn read_pull(&mut self, now: Timestamp) -> (Option<Result<Input, SourceError>>, Option<Timestamp>) {
        let asked = self.asked(now);
        let is_to_read = self.state.source.may_read(now) && self.is_ours_to_read(now);
        let Some(pull) = &mut self.pull else { return (None, Some(now)) };
        if !is_to_read {
            return (None, None);
        }
        let (result, began) = match self.ahead.next() {
            Some(Read { result, began }) => (result, began),
            None => (pull.read(&asked).await, now),
        };
        let began = result.is_ok().then_some(began);
        (Some(result), began)
    }

    /// Whether no other collector reads the source instead. One that does not keep up, or is no more, is stepped in for.
    fn is_ours_to_read(&self, now: Timestamp) -> bool {
        let collection = &self.versions.of(self.state.closed_until).policy.collection;
        if !collection.source.is_shared() || self.reading.share.has(&self.target) {
            return true;
        }
        let window = self.state.schedule.at(self.state.closed_until).window;
        let late = STEP_IN_AFTER.min(window.length() / 4);
        let is_late =
            now >= window.end.plus(collection.grace + late) && now.since(self.others_wrote_at) >= late;
        // Nobody closes anything then, however much is read.
        is_late && !self.state.is_held(now) && self.clock.may_close(collection.grace)
    }

    /// What the pulled source is asked for now.
    fn asked(&self, now: Timestamp) -> Asked {
        Asked { cursor: self.places.cursor(self.source), now, windows: self.state.windows_begun(now) }
    }

    fn source_failed(&mut self, error: &SourceError, now: Timestamp, out: &mut Vec<NewMessage>) {
        let version = Arc::clone(self.versions.of(self.state.closed_until));
        let retry = &version.policy.collection.retry;
        let reason = error.to_string();
        self.state.source.failed(&reason, retry, now);
        counters::source_failed(&self.target);
        tracing::warn!(target_name = %self.target, reason, failures = self.state.source.failures, "the source failed");
        let planned = self.state.window_of_outage(now);
        let told = planned.phase.is_gated() && !self.state.is_held(now);
        if told && self.state.source.is_newly_exhausted(retry) {
            self.state.source.exhausted = true;
            let since = self.state.source.failing_since.unwrap_or(now);
            let attempts = self.state.source.failures;
            out.extend(messages::exhausted(&self.target, &planned, "source", since, attempts, &reason, now));
        }
    }
}
