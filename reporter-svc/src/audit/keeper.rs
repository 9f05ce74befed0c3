//! Copies new rows into the archive: level-triggered, so that a crash between a commit and its copy costs nothing.
//!
//! Every reporter keeps a copy of its own, of all rows, whoever wrote them. That is why this is no effect of the
//! outbox, which one replica does for all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use service_kit::db::{Db, DbError};
use shared_types::Timestamp;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, ArchiveError};
use crate::reporter::Reporter;

/// Rows of one read.
const PIECE: u32 = 500;
/// A row becomes visible at most so long after its time: no transaction lives longer.
const OVERLAP: Duration = Duration::from_secs(180);
/// Every stream is looked at when this starts, and that often besides.
const SWEEP: Duration = Duration::from_secs(3600);

/// See the module.
pub struct Keeper {
    reporter: Arc<Reporter>,
    archive: Archive,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    looked_at: Option<Timestamp>,
    swept_at: Option<Timestamp>,
    /// The last row that is in the archive, of streams looked at lately.
    kept: BTreeMap<String, u64>,
    /// Streams whose table departs from the archive, and how.
    departed: BTreeMap<String, String>,
}

/// Why copying broke off; the next pass goes on.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("reading the audit log")]
    Database(#[from] DbError),
    #[error("writing the audit log's archive")]
    Archive(#[from] ArchiveError),
}

impl Keeper {
    /// Into the archive below the data directory.
    #[must_use]
    pub fn new(reporter: Arc<Reporter>, archive: Archive) -> Self {
        Self { reporter, archive, state: Mutex::default() }
    }

    /// Where the copies are.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What a person has to look at: streams whose table does not go on where the archive ends.
    pub async fn departed(&self) -> Vec<String> {
        self.state.lock().await.departed.values().cloned().collect()
    }

    /// Copies all that is new; returns how many streams had something.
    ///
    /// # Errors
    /// [`KeepError`]; what was copied stays copied.
    pub async fn catch_up(&self, now: Timestamp) -> Result<usize, KeepError> {
        let mut state = self.state.lock().await;
        let mut copied = 0;
        if state.swept_at.is_none_or(|at| now.since(at) >= SWEEP) {
            state.kept.clear();
            let mut stream = String::new();
            while let Some(next) = self.reporter.store.audit_stream_after(&stream).await? {
                stream = next;
                let head = self.reporter.store.audit_head(&stream).await?;
                copied += usize::from(self.copy(&mut state, &stream, head).await?);
            }
            state.swept_at = Some(now);
        } else {
            let since = state.looked_at.unwrap_or(now).minus(OVERLAP);
            for (stream, head) in self.reporter.store.audit_heads(since).await? {
                copied += usize::from(self.copy(&mut state, &stream, head).await?);
            }
        }
        state.looked_at = Some(now);
        Ok(copied)
    }

    /// Copies a stream up to its head; whether there was anything.
    async fn copy(&self, state: &mut State, stream: &str, head: u64) -> Result<bool, KeepError> {
        if state.kept.get(stream) == Some(&head) {
            return Ok(false);
        }
        let last = self.archive.last(stream)?.map_or(0, |row| row.seq);
        if last > head {
            depart(
                state,
                stream,
                format!("{stream}: the table ends at row {head}, the archive at row {last}"),
            );
            return Ok(false);
        }
        let mut next = last + 1;
        while next <= head {
            let piece = self.reporter.store.audit_piece(stream, next, PIECE).await?;
            let Some(end) = piece.last().map(|row| row.seq) else { break };
            let (archive, name) = (self.archive.clone(), stream.to_owned());
            let appended = tokio::task::spawn_blocking(move || archive.append(&name, &piece)).await;
            match appended.unwrap_or_else(|error| Err(panicked(&self.archive, stream, error))) {
                Ok(()) => next = end + 1,
                Err(departs @ ArchiveError::Departs { .. }) => {
                    depart(state, stream, departs.to_string());
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        state.departed.remove(stream);
        state.kept.insert(stream.to_owned(), head);
        Ok(next > last + 1)
    }

    /// Goes on until `stop`, then once more, so that an orderly end leaves nothing uncopied.
    pub async fn run(&self, db: &Db, poll: Duration, stop: CancellationToken) {
        let mut changes = self.reporter.changes();
        loop {
            let stopping = stop.is_cancelled();
            let now = self.reporter.clock.now();
            if let Err(error) = db.answered(self.catch_up(now)).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the audit log's archive is behind; trying on"
                );
            }
            if stopping {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = changes.changed() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }
}

/// Said once: it stays so until a person has looked.
fn depart(state: &mut State, stream: &str, how: String) {
    if state.departed.get(stream) != Some(&how) {
        tracing::error!(stream, "the audit log departs from its archive, which is left as it is: {how}");
        state.departed.insert(stream.to_owned(), how);
    }
}

fn panicked(archive: &Archive, stream: &str, error: tokio::task::JoinError) -> ArchiveError {
    ArchiveError::Io { path: archive.path(stream), source: std::io::Error::other(error) }
}
