//! Copies new rows into the archive: level-triggered, so that a crash between a commit and its copy costs nothing.
//!
//! Every reporter keeps a copy of its own, of all rows, whoever wrote them. That is why this is no effect of the
//! outbox, which one replica does for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use service_kit::db::{Db, DbError};
use service_kit::seal::{SealKey, seal};
use service_kit::seldom;
use shared_types::audit::{AuditHead, AuditSeal, SERVICE_STREAM};
use shared_types::{TargetName, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, ArchiveError};
use super::seals::{self, Sealed};
use crate::reporter::Reporter;

/// Rows of one read.
const PIECE: u32 = 500;
/// A row becomes visible at most so long after its time: no transaction lives longer.
const OVERLAP: Duration = Duration::from_secs(180);
/// Every stream is looked at when this starts, and that often besides.
const SWEEP: Duration = Duration::from_secs(3600);
/// That often other replicas' rows are looked for.
const OTHERS: Duration = Duration::from_secs(5);
/// Rows that are written within so long are copied, and synced, together.
const TOGETHER: Duration = Duration::from_millis(250);
/// That often it is looked whether the files are still there.
const LOOK: Duration = Duration::from_secs(10);

/// See the module.
pub struct Keeper {
    reporter: Arc<Reporter>,
    archive: Archive,
    key: Option<SealKey>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    looked_at: Option<Timestamp>,
    swept_at: Option<Timestamp>,
    /// When the files were looked for.
    seen_at: Option<Timestamp>,
    /// What is in the archive, of streams looked at lately.
    kept: BTreeMap<String, Kept>,
    /// Up to which row the archive has held each stream, says the database; none: not asked yet.
    held: Option<BTreeMap<String, u64>>,
    /// Up to which row it holds streams that the database does not know of yet.
    unnoted: BTreeMap<String, u64>,
    /// The archive's name.
    name: Option<String>,
    /// Streams whose table departs from the archive, and how.
    departed: BTreeMap<String, String>,
}

/// How far a stream's file goes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kept {
    seq: u64,
    bytes: u64,
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
        Self { reporter, archive, key: None, state: Mutex::default() }
    }

    /// Signs the heads with this key.
    #[must_use]
    pub fn sealing(self, key: Option<SealKey>) -> Self {
        Self { key, ..self }
    }

    /// The heads of a span of the log, signed if there is a key.
    ///
    /// # Errors
    /// The database's.
    pub async fn seal_of(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<AuditSeal, DbError> {
        let heads = self.reporter.store.audit_spans(from, to).await?;
        Ok(seal(self.key.as_ref(), (from, to), heads, self.reporter.clock.now()))
    }

    /// What was signed last, as far as this key can tell.
    ///
    /// # Errors
    /// The file system's.
    pub fn sealed(&self) -> Result<Sealed, ArchiveError> {
        Sealed::newest(&self.archive, self.key.as_ref().map(SealKey::public).as_deref())
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
        let copied = self.copy_new(&mut state, now).await;
        self.note(&mut state).await?;
        copied
    }

    /// Copies what is new of targets that this process has changed, and of the service.
    async fn catch_up_with(&self, targets: &BTreeSet<TargetName>) -> Result<(), KeepError> {
        let mut state = self.state.lock().await;
        self.know_archive(&mut state).await?;
        for stream in targets.iter().map(TargetName::as_str).chain([SERVICE_STREAM]) {
            let head = self.reporter.store.audit_head(stream).await?;
            self.copy(&mut state, stream, head).await?;
        }
        self.note(&mut state).await
    }

    async fn know_archive(&self, state: &mut State) -> Result<(), KeepError> {
        if state.held.is_none() {
            let name = self.archive.name()?;
            state.held = Some(match &name {
                Some(name) => self.reporter.store.archived(name).await?,
                None => BTreeMap::new(),
            });
            state.name = name;
        }
        Ok(())
    }

    async fn copy_new(&self, state: &mut State, now: Timestamp) -> Result<usize, KeepError> {
        self.know_archive(state).await?;
        if state.seen_at.is_none_or(|at| now.since(at) >= LOOK) {
            self.look(state).await?;
            state.seen_at = Some(now);
        }
        let mut copied = 0;
        if state.swept_at.is_none_or(|at| now.since(at) >= SWEEP) {
            state.kept.clear();
            let mut stream = String::new();
            while let Some(next) = self.reporter.store.audit_stream_after(&stream).await? {
                stream = next;
                let head = self.reporter.store.audit_head(&stream).await?;
                copied += usize::from(self.copy(state, &stream, head).await?);
            }
            self.seal(state, now).await?;
            state.swept_at = Some(now);
        } else {
            let since = state.looked_at.unwrap_or(now).minus(OVERLAP);
            for (stream, head) in self.reporter.store.audit_heads(since).await? {
                copied += usize::from(self.copy(state, &stream, head).await?);
            }
        }
        state.looked_at = Some(now);
        Ok(copied)
    }

    /// Copies a stream up to its head; whether there was anything.
    async fn copy(&self, state: &mut State, stream: &str, head: u64) -> Result<bool, KeepError> {
        if state.kept.get(stream).is_some_and(|it| it.seq == head) {
            return Ok(false);
        }
        let last = self.archive.last(stream)?.map_or(0, |row| row.seq);
        let held = state.held.as_ref().and_then(|it| it.get(stream)).copied().unwrap_or(0);
        if last < held {
            // What is gone is not made anew from a table that may have been changed meanwhile.
            let how = format!(
                "{stream}: the archive held {held} rows and ends at row {last} now: its file was taken away or cut"
            );
            depart(state, stream, how);
            return Ok(false);
        }
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
        let kept = Kept { seq: head, bytes: self.archive.length(stream) };
        state.kept.insert(stream.to_owned(), kept);
        if held < head {
            state.unnoted.insert(stream.to_owned(), head);
        }
        Ok(next > last + 1)
    }

    /// Tells the database how far the archive goes now; what fails is told by the next pass.
    async fn note(&self, state: &mut State) -> Result<(), KeepError> {
        let (Some(name), Some(held)) = (&state.name, &mut state.held) else { return Ok(()) };
        if !state.unnoted.is_empty() {
            self.reporter.store.note_archived(name, &state.unnoted).await?;
            held.append(&mut state.unnoted);
        }
        Ok(())
    }

    /// Looks again at streams whose file is shorter than it was.
    async fn look(&self, state: &mut State) -> Result<(), KeepError> {
        let shorter = |(stream, kept): (&String, &Kept)| {
            (self.archive.length(stream) < kept.bytes).then(|| (stream.clone(), kept.seq))
        };
        let lost: Vec<(String, u64)> = state.kept.iter().filter_map(shorter).collect();
        for (stream, seq) in lost {
            state.kept.remove(&stream);
            self.copy(state, &stream, seq).await?;
        }
        Ok(())
    }

    /// Signs how far the streams go, if they went on and go on from what was signed before; a log line is the anchor elsewhere.
    async fn seal(&self, state: &mut State, now: Timestamp) -> Result<(), KeepError> {
        let Some(key) = &self.key else { return Ok(()) };
        let before = match self.sealed()? {
            Sealed::Heads(heads) => heads,
            Sealed::Unknown => BTreeMap::new(),
            Sealed::Broken(how) => {
                depart(state, "heads.seals", format!("heads.seals: {how}"));
                return Ok(());
            }
        };
        let mut heads = Vec::new();
        for (stream, kept) in state.kept.clone() {
            if let Some(head) = before.get(&stream)
                && self.hash_of(&stream, head.last_seq).await?.as_ref() != Some(&head.hash)
            {
                let how = format!("{stream}: row {} is not the one that was signed", head.last_seq);
                depart(state, &stream, how);
                return Ok(());
            }
            let Some(hash) = self.hash_of(&stream, kept.seq).await? else { continue };
            heads.push(AuditHead { stream, first_seq: 1, last_seq: kept.seq, hash });
        }
        if heads.is_empty() || heads.iter().all(|head| before.get(&head.stream) == Some(head)) {
            return Ok(());
        }
        // A stream that is not copied now keeps what was signed of it.
        let named: Vec<String> = heads.iter().map(|it| it.stream.clone()).collect();
        heads.extend(before.into_values().filter(|it| !named.contains(&it.stream)));
        heads.sort_by(|one, other| one.stream.cmp(&other.stream));
        let seal = seal(Some(key), (None, None), heads, now);
        seals::append(&self.archive, &seal)?;
        let (streams, key, signature) = (seal.heads.len(), key.public(), seal.signature.unwrap_or_default());
        tracing::info!(streams, key, signature, "the audit log is sealed");
        Ok(())
    }

    async fn hash_of(&self, stream: &str, seq: u64) -> Result<Option<String>, DbError> {
        let piece = self.reporter.store.audit_piece(stream, seq, 1).await?;
        Ok(piece.into_iter().next().filter(|row| row.seq == seq).map(|row| row.hash))
    }

    /// Goes on until `stop`, then once more, so that an orderly end leaves nothing uncopied.
    pub async fn run(&self, db: &Db, poll: Duration, stop: CancellationToken) {
        let changed = self.reporter.changes.subscribe();
        let mut looked: Option<Instant> = None;
        loop {
            let stopping = stop.is_cancelled();
            let now = self.reporter.clock.now();
            let targets = changed.take();
            let all = stopping || looked.is_none_or(|at| at.elapsed() >= poll.max(OTHERS));
            let copied = match all {
                true => db.answered(self.catch_up(now)).await.map(drop),
                false => db.answered(self.catch_up_with(&targets)).await,
            };
            match copied {
                Ok(()) if all => looked = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => {
                    looked = None;
                    seldom!(warn, "the audit log's archive is behind; trying on", &error);
                }
            }
            if stopping {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => continue,
                () = changed.some() => {}
                () = tokio::time::sleep(poll) => {}
            }
            // What follows within a moment is copied together.
            tokio::select! {
                () = stop.cancelled() => {}
                () = async {
                    tokio::time::sleep(poll.min(TOGETHER)).await;
                    self.reporter.store.precedence().give_way().await;
                } => {}
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
