//! Files by identity: what a glob matches now, and which of them are the ones read before.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::SourceError;
use crate::store::FileCursor;

/// So many bytes at a file's beginning tell it from another one under the same inode.
const FINGERPRINT_LENGTH: u64 = 256;
/// Files that one target's globs may match.
const FILES_MAX: usize = 10_000;

/// A regular file that is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// What the patterns match, by path.
///
/// # Errors
/// A pattern is none, or a directory cannot be read.
pub fn expand(patterns: &[String]) -> Result<Vec<PathBuf>, SourceError> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let matches = glob::glob(pattern).map_err(|error| SourceError::Io {
            what: format!("pattern `{pattern}`"),
            reason: error.to_string(),
        })?;
        for entry in matches {
            let path = entry.map_err(|error| failed(error.path(), error.error()))?;
            paths.push(path);
            if paths.len() > FILES_MAX {
                return Err(SourceError::Io {
                    what: format!("pattern `{pattern}`"),
                    reason: format!("it matches more than {FILES_MAX} files"),
                });
            }
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
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

/// What stands at a path that a glob gave.
pub(super) enum Found {
    File(Metadata),
    /// A directory, a pipe: nothing that is read, and no reason to read the others no more.
    NoFile,
    /// It went away in between.
    Gone,
}

/// Looks at a path that a glob gave.
pub(super) fn look(path: &Path) -> Result<Found, SourceError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Found::File(metadata)),
        Ok(_) => Ok(Found::NoFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Gone),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Opens what [`look`] found; `None` if it went away in between.
pub(super) fn open(path: &Path) -> Result<Option<OpenFile>, SourceError> {
    match File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
        Ok((file, metadata)) => Ok(Some(OpenFile { id: identity(&metadata), path: path.to_owned(), file })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The file with this identity beside the path where it was last seen: it was renamed.
pub(super) fn find_renamed(file_id: &str, last_seen: &str) -> Option<OpenFile> {
    let directory = Path::new(last_seen).parent()?;
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for entry in std::fs::read_dir(directory).ok()?.take(FILES_MAX).flatten() {
        let path = entry.path();
        let same = |metadata: &Metadata| metadata.is_file() && identity(metadata) == file_id;
        if entry.metadata().is_ok_and(|metadata| same(&metadata)) {
            return open(&path).ok().flatten();
        }
    }
    None
}

impl OpenFile {
    /// Where to read on: where it was left, if this is the file it was taken of and nothing was cut off. True: from its
    /// beginning.
    pub(super) fn resume(
        &self,
        known: Option<&FileCursor>,
        length: u64,
    ) -> Result<(FileCursor, bool), SourceError> {
        let path = self.path.display().to_string();
        if let Some(known) = known {
            let same =
                known.offset <= length && self.hash_of_start(known.fingerprint_length)? == known.fingerprint;
            if same {
                return Ok((FileCursor { path, ..known.clone() }, false));
            }
            tracing::info!(path, "truncated or replaced: it is read from its beginning");
        }
        Ok((FileCursor { path, fingerprint: self.hash_of_start(0)?, ..FileCursor::default() }, true))
    }

    /// Takes a longer fingerprint as long as the file is short.
    pub(super) fn update_fingerprint(&self, position: &mut FileCursor) -> Result<(), SourceError> {
        let length = position.offset.min(FINGERPRINT_LENGTH);
        if length > position.fingerprint_length {
            position.fingerprint = self.hash_of_start(length)?;
            position.fingerprint_length = length;
        }
        Ok(())
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

    fn hash_of_start(&self, length: u64) -> Result<String, SourceError> {
        let mut start = vec![0; usize::try_from(length.min(FINGERPRINT_LENGTH)).unwrap_or(0)];
        let filled = self.read(&mut start, 0)?;
        Ok(format!("{:016x}", xxh3_64(&start[..filled])))
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> SourceError {
    SourceError::Io { what: path.display().to_string(), reason: error.to_string() }
}
