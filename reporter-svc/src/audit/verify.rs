//! Verifies the table against its chain, the archive, what was signed, and which streams were opened; in pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::audit::verify::Walk;
use shared_types::Timestamp;
use shared_types::audit::{FaultKind, StreamVerification};

use super::archive::Archive;
use super::keeper::{KeepError, Keeper};
use super::seals::Sealed;
use crate::store::Store;

/// Rows held in memory at once.
const PIECE: u32 = 1000;
/// After so long a row must be in the archive.
pub const OVERDUE: Duration = Duration::from_secs(300);

/// What streams are held against.
pub struct Verifying<'a> {
    store: &'a Store,
    archive: &'a Archive,
    now: Timestamp,
    /// Up to which row the archive has held each stream.
    held: BTreeMap<String, u64>,
    opened: Option<BTreeSet<String>>,
    sealed: Sealed,
}

impl<'a> Verifying<'a> {
    /// As things stand now.
    ///
    /// # Errors
    /// The database's, the file system's.
    pub async fn begin(store: &'a Store, keeper: &'a Keeper, now: Timestamp) -> Result<Self, KeepError> {
        let archive = keeper.archive();
        let held = match archive.name()? {
            Some(name) => store.archived(&name).await?,
            None => BTreeMap::new(),
        };
        let opened = store.audit_opened().await?;
        Ok(Self { store, archive, now, held, opened, sealed: keeper.sealed()? })
    }

    /// Verifies up to `limit` streams, by name after `after`: of the table, of the archive, or of both.
    ///
    /// # Errors
    /// The database's, the file system's.
    pub async fn page(&self, after: &str, limit: usize) -> Result<Vec<StreamVerification>, KeepError> {
        let copied = self
            .archive
            .streams()
            .map_err(|source| super::ArchiveError::Io { path: self.archive.path("…"), source })?;
        // What was there is missed, whether or not a file or a row is left of it.
        let known: BTreeSet<String> = copied.into_iter().chain(self.held.keys().cloned()).collect();
        let mut known = known.into_iter().filter(|it| it.as_str() > after).peekable();
        let mut found = Vec::new();
        let mut last = after.to_owned();
        while found.len() < limit {
            let stored = self.store.audit_stream_after(&last).await?;
            while known.next_if(|it| it.as_str() <= last.as_str()).is_some() {}
            let Some(stream) = stored.into_iter().chain(known.peek().cloned()).min() else { break };
            found.push(self.one(&stream).await?);
            last = stream;
        }
        Ok(found)
    }

    /// Verifies one stream.
    ///
    /// # Errors
    /// The database's, the file system's.
    pub async fn one(&self, stream: &str) -> Result<StreamVerification, KeepError> {
        // Opened before the table is read: whatever it holds, the table has to hold too.
        let mut copy = self.archive.copy(stream)?;
        let held = self.held.get(stream).copied().unwrap_or(0);
        let mut walk = Walk::new(stream, self.now.minus(OVERDUE)).kept(held).sealed(self.sealed.head(stream));
        loop {
            let piece = self.store.audit_piece(stream, walk.next_seq(), PIECE).await?;
            let done = piece.is_empty();
            let walked = tokio::task::spawn_blocking(move || {
                walk.beside(&piece, &mut copy);
                if done {
                    walk.end(&mut copy);
                }
                (walk, copy)
            });
            (walk, copy) = walked.await.map_err(|error| super::ArchiveError::Io {
                path: self.archive.path(stream),
                source: std::io::Error::other(error),
            })?;
            if done || walk.is_broken() {
                break;
            }
        }
        if let Some(source) = copy.failure() {
            return Err(super::ArchiveError::Io { path: self.archive.path(stream), source }.into());
        }
        if let Sealed::Broken(why) = &self.sealed {
            walk.refuse(FaultKind::Unsealed, why);
        }
        if self.opened.as_ref().is_some_and(|opened| !opened.contains(stream)) {
            walk.refuse(FaultKind::Unopened, "the service's own stream does not say that anybody opened it");
        }
        Ok(walk.verdict())
    }
}
