//! Verifies the table against its chain and the archive, in pieces.

use std::time::Duration;

use domain::audit::verify::Walk;
use shared_types::Timestamp;
use shared_types::audit::StreamVerification;

use super::archive::Archive;
use super::keeper::KeepError;
use crate::store::Store;

/// Rows held in memory at once.
const PIECE: u32 = 1000;
/// After so long a row must be in the archive.
pub const OVERDUE: Duration = Duration::from_secs(300);

/// Verifies up to `limit` streams, by name after `after`: of the table, of the archive, or of both.
///
/// # Errors
/// The database's, the file system's.
pub async fn page(
    store: &Store,
    archive: &Archive,
    after: &str,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<StreamVerification>, KeepError> {
    let copied =
        archive.streams().map_err(|source| super::ArchiveError::Io { path: archive.path("…"), source })?;
    let mut copied = copied.into_iter().filter(|it| it.as_str() > after).peekable();
    let mut found = Vec::new();
    let mut last = after.to_owned();
    while found.len() < limit {
        let stored = store.audit_stream_after(&last).await?;
        while copied.next_if(|it| it.as_str() <= last.as_str()).is_some() {}
        let Some(stream) = stored.into_iter().chain(copied.peek().cloned()).min() else { break };
        found.push(one(store, archive, &stream, now).await?);
        last = stream;
    }
    Ok(found)
}

/// Verifies one stream.
///
/// # Errors
/// The database's, the file system's.
pub async fn one(
    store: &Store,
    archive: &Archive,
    stream: &str,
    now: Timestamp,
) -> Result<StreamVerification, KeepError> {
    // Opened before the table is read: whatever it holds, the table has to hold too.
    let mut copy = archive.copy(stream)?;
    let mut walk = Walk::new(stream, now.minus(OVERDUE));
    loop {
        let piece = store.audit_piece(stream, walk.next_seq(), PIECE).await?;
        let done = piece.is_empty();
        let walked = tokio::task::spawn_blocking(move || {
            walk.beside(&piece, &mut copy);
            if done {
                walk.end(&mut copy);
            }
            (walk, copy)
        });
        (walk, copy) = walked.await.map_err(|error| super::ArchiveError::Io {
            path: archive.path(stream),
            source: std::io::Error::other(error),
        })?;
        if done || walk.is_broken() {
            break;
        }
    }
    if let Some(source) = copy.failure() {
        return Err(super::ArchiveError::Io { path: archive.path(stream), source }.into());
    }
    Ok(walk.verdict())
}
