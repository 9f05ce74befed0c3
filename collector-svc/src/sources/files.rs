//! Files by identity: what a glob matches now, and which of them are the ones read before.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use shared_types::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use super::{LeftOut, SourceError};
use crate::store::FileCursor;

/// So many bytes at a file's beginning, and so many before the place where it is read on, tell it from another one under
/// the same inode (CO-9). A writer that begins each file alike is told by the second.
const HEAD: u64 = 256;
const NEAR: u64 = 1024;
/// Files that one target's globs may match; entries of a directory that are looked through for one that was moved.
const FILES_MAX: usize = 10_000;

/// A regular file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// What patterns match.
#[derive(Debug, Default)]
pub struct Matches {
    /// In order.
    pub paths: Vec<PathBuf>,
    /// What could not be looked into.
    pub unreadable: Vec<LeftOut>,
}

/// What the patterns match, by path. A directory that cannot be read does not stop the others.
///
/// # Errors
/// A pattern is none, or matches too much.
pub fn expand(patterns: &[String]) -> Result<Matches, SourceError> {
    let mut found = Matches::default();
    for pattern in patterns {
        let matches = glob::glob(pattern).map_err(|error| SourceError::Io {
            what: format!("pattern `{pattern}`"),
            reason: error.to_string(),
        })?;
        for entry in matches {
            match entry {
                Ok(path) => found.paths.push(path),
                Err(error) => found.unreadable.push(LeftOut {
                    path: error.path().display().to_string(),
                    reason: error.error().to_string(),
                }),
            }
            if found.paths.len() + found.unreadable.len() > FILES_MAX {
                return Err(SourceError::Io {
                    what: format!("pattern `{pattern}`"),
                    reason: format!("it matches more than {FILES_MAX} files"),
                });
            }
        }
    }
    found.paths.sort();
    found.paths.dedup();
    Ok(found)
}

/// The directory before the first wildcard.
pub(super) fn fixed_directory(pattern: &str) -> PathBuf {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let directory = pattern[..wild].rfind('/').map_or("", |at| &pattern[..at]);
    if directory.is_empty() { PathBuf::from(".") } else { PathBuf::from(directory) }
}

/// Device and inode.
pub(super) fn identity(metadata: &Metadata) -> String {
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// What stands at a path.
pub(super) enum Found {
    File(Metadata),
    /// A directory, a pipe: nothing that is read, and no reason to read the others no more.
    NoFile,
    /// It went away in between.
    Gone,
}

/// Looks at a path.
pub(super) fn look(path: &Path) -> Result<Found, SourceError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Found::File(metadata)),
        Ok(_) => Ok(Found::NoFile),
        Err(error) if is_gone(&error) => Ok(Found::Gone),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Opens what [`look`] found; `None` if it went away in between.
pub(super) fn open(path: &Path) -> Result<Option<OpenFile>, SourceError> {
    match File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
        Ok((file, metadata)) => Ok(Some(OpenFile { id: identity(&metadata), path: path.to_owned(), file })),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// When it was made, in nanoseconds since 1970, where the file system says so.
pub(super) fn created_ns(metadata: &Metadata) -> Option<i64> {
    let since = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether nothing was written into a file for so long.
pub(super) fn is_quiet(metadata: &Metadata, now: Timestamp, time: Duration) -> bool {
    let written = Timestamp::from_millis(metadata.mtime().saturating_mul(1000));
    now.since(written) >= time
}

/// The regular files of a directory and of those directly below it, by identity: where rotation moves files to.
pub(super) fn nearby(directory: &Path) -> HashMap<String, PathBuf> {
    let mut found = HashMap::new();
    for below in files_of(directory, &mut found) {
        files_of(&below, &mut found);
    }
    found
}

/// Adds the files of a directory; gives the directories in it.
fn files_of(directory: &Path, found: &mut HashMap<String, PathBuf>) -> Vec<PathBuf> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut below = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().take(FILES_MAX).flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                found.insert(identity(&metadata), entry.path());
            }
            Ok(metadata) if metadata.is_dir() => below.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
    below
}

impl OpenFile {
    /// Whether this is the file that a position was taken of, with nothing cut off or written anew.
    pub(super) fn is_that_of(&self, known: &FileCursor, metadata: &Metadata) -> Result<bool, SourceError> {
        let created = known.created_ns.zip(created_ns(metadata));
        Ok(known.offset <= metadata.len()
            && created.is_none_or(|(known, found)| known == found)
            && self.hash(0, known.fingerprint_length.min(HEAD))? == known.fingerprint
            && (known.near_length == 0 || self.hash_near(known)? == known.near_fingerprint))
    }

    /// Takes the fingerprints of a position that moved on: of the beginning as long as the file is short, and of what stands
    /// before it.
    pub(super) fn take_fingerprints(&self, position: &mut FileCursor) -> Result<(), SourceError> {
        let head = position.offset.min(HEAD);
        if head > position.fingerprint_length || position.fingerprint.is_empty() {
            position.fingerprint = self.hash(0, head)?;
            position.fingerprint_length = head;
        }
        position.near_length = position.offset.min(NEAR);
        position.near_fingerprint = self.hash_near(position)?;
        Ok(())
    }

    /// Where it is now, as far as the system tells it.
    pub(super) fn path_now(&self) -> PathBuf {
        use std::os::fd::AsRawFd as _;

        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let told = std::fs::read_link(link).ok();
        let is_this =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| identity(&metadata) == self.id);
        told.filter(is_this).unwrap_or_else(|| self.path.clone())
    }

    /// Fills `buffer` from `offset` on, as far as the file goes.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize, SourceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.path, &error)),
            }
        }
        Ok(filled)
    }

    pub(super) fn metadata(&self) -> Result<Metadata, SourceError> {
        self.file.metadata().map_err(|error| failed(&self.path, &error))
    }

    fn hash_near(&self, position: &FileCursor) -> Result<String, SourceError> {
        let length = position.near_length.min(NEAR);
        self.hash(position.offset.saturating_sub(length), length)
    }

    fn hash(&self, offset: u64, length: u64) -> Result<String, SourceError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let filled = self.read(&mut bytes, offset)?;
        Ok(format!("{:016x}", xxh3_64(&bytes[..filled])))
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> SourceError {
    SourceError::Io { what: path.display().to_string(), reason: error.to_string() }
}
