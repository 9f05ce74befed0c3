//! The files: one a stream, one row a line, only ever made longer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take, Write};
use std::path::{Path, PathBuf};

use domain::audit::GENESIS;
use domain::audit::verify::ArchivedRows;
use shared_types::AuditEntry;
use uuid::Uuid;

/// Where the copies are.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
    /// Holds its name; none: it was carried here.
    named_in: Option<PathBuf>,
}

/// Why rows were not appended.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The table says something else than the archive: nothing is appended, so that what is there stays evidence.
    #[error("{stream}: row {seq} of the table does not follow the archive's last row {last}")]
    Departs { stream: String, seq: u64, last: u64 },
}

impl Archive {
    /// Below a service's data directory.
    #[must_use]
    pub fn below(data_dir: &Path) -> Self {
        let named_in = Some(data_dir.join("audit-archive.id"));
        Self { directory: data_dir.join("logs/audit"), named_in }
    }

    /// A directory of such files, wherever it was carried.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), named_in: None }
    }

    /// Under which name the database knows how far it goes (OP-9). It is kept beside `logs`, not in it: who takes the files away
    /// does not make the archive a new one.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn name(&self) -> Result<Option<String>, ArchiveError> {
        let Some(path) = &self.named_in else { return Ok(None) };
        let io = |source| ArchiveError::Io { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        match OpenOptions::new().create_new(true).write(true).open(path) {
            Ok(mut file) => {
                let name = Uuid::now_v7().to_string();
                file.write_all(name.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
                tracing::warn!(archive = name, "an archive of the audit log begins");
                Ok(Some(name))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Some(fs::read_to_string(path).map_err(io)?.trim().to_owned()).filter(|it| !it.is_empty()))
            }
            Err(error) => Err(io(error)),
        }
    }

    /// Where the signed heads are, a line each.
    #[must_use]
    pub fn seals(&self) -> PathBuf {
        self.directory.join("heads.seals")
    }

    /// How long a stream's file is; 0: there is none.
    #[must_use]
    pub fn length(&self, stream: &str) -> u64 {
        fs::metadata(self.path(stream)).map_or(0, |it| it.len())
    }

    /// A stream's file. Whatever a table may hold, it stays within the directory.
    #[must_use]
    pub fn path(&self, stream: &str) -> PathBuf {
        let plain = |c: char| c.is_ascii_alphanumeric() || "@_-".contains(c);
        let name: String = stream.chars().map(|c| if plain(c) { c } else { '.' }).collect();
        self.directory.join(format!("{name}.jsonl"))
    }

    /// The streams that have a file, by name.
    ///
    /// # Errors
    /// The file system's; a directory that is not there holds none.
    pub fn streams(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut streams = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            streams.extend(name.strip_suffix(".jsonl").map(str::to_owned));
        }
        streams.sort();
        Ok(streams)
    }

    /// The last whole row of a stream.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn last(&self, stream: &str) -> Result<Option<AuditEntry>, ArchiveError> {
        let path = self.path(stream);
        let read = || match File::open(&path) {
            Ok(mut file) => last_row(&mut file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        read().map_err(|source| ArchiveError::Io { path: path.clone(), source })
    }

    /// Appends the rows that the file does not hold yet, and syncs it. A row is never written twice, nor one that does
    /// not follow the last; processes that share the directory take turns.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn append(&self, stream: &str, rows: &[AuditEntry]) -> Result<(), ArchiveError> {
        let path = self.path(stream);
        let io = |source| ArchiveError::Io { path: path.clone(), source };
        fs::create_dir_all(&self.directory).map_err(io)?;
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(io)?;
        file.lock().map_err(io)?;
        let last = last_row(&mut file).map_err(io)?;
        let (mut seq, mut hash) = last.map_or((0, GENESIS.to_owned()), |it| (it.seq, it.hash));
        let mut text = String::new();
        let held = seq;
        for row in rows.iter().filter(|row| row.seq > held) {
            if row.seq != seq + 1 || row.prev_hash != hash {
                return Err(ArchiveError::Departs { stream: stream.to_owned(), seq: row.seq, last: seq });
            }
            text.push_str(&serde_json::to_string(row).map_err(|error| io(error.into()))?);
            text.push('\n');
            (seq, hash) = (row.seq, row.hash.clone());
        }
        if text.is_empty() {
            return Ok(());
        }
        if !crate::files::ends_with_newline(&mut file).map_err(io)? {
            // A crash may have left half a line behind; what follows must not be glued to it.
            text.insert(0, '\n');
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    /// Reads a stream's copy from its first row on, as it is now. What is not a whole row is passed over: a crash may
    /// have left it, and if not, the row is missing.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn copy(&self, stream: &str) -> Result<Copy, ArchiveError> {
        let path = self.path(stream);
        let open = || -> io::Result<Option<BufReader<Take<File>>>> {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            // Whoever appends has the lock: no half-written line is within the length.
            file.lock_shared()?;
            let length = file.metadata()?.len();
            file.unlock()?;
            Ok(Some(BufReader::new(file.take(length))))
        };
        let reader = open().map_err(|source| ArchiveError::Io { path: path.clone(), source })?;
        Ok(Copy { reader, current: None, failed: None })
    }
}

/// The rows of one file, in its order.
#[derive(Debug)]
pub struct Copy {
    reader: Option<BufReader<Take<File>>>,
    current: Option<AuditEntry>,
    /// Reading broke off: what comes behind is not known.
    failed: Option<io::Error>,
}

impl Copy {
    /// Why reading broke off, if it did.
    #[must_use]
    pub fn failure(self) -> Option<io::Error> {
        self.failed
    }

    /// The next whole row.
    pub fn next_row(&mut self) -> Option<AuditEntry> {
        let reader = self.reader.as_mut()?;
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    self.failed = Some(error);
                    return None;
                }
            }
            if let Ok(row) = serde_json::from_slice(&line) {
                return Some(row);
            }
        }
    }
}

impl ArchivedRows for Copy {
    fn at_least(&mut self, seq: u64) -> Option<&AuditEntry> {
        while self.current.as_ref().is_none_or(|it| it.seq < seq) {
            self.current = Some(self.next_row()?);
        }
        self.current.as_ref()
    }
}

/// Looks from the end backwards, so that a long file costs no more than a short one.
fn last_row(file: &mut File) -> io::Result<Option<AuditEntry>> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut size = 64 << 10;
    loop {
        let from = length.saturating_sub(size);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        Read::by_ref(file).take(length - from).read_to_end(&mut tail)?;
        let rows = tail.split(|byte| *byte == b'\n').rev();
        if let Some(row) = rows.filter_map(|line| serde_json::from_slice::<AuditEntry>(line).ok()).next() {
            return Ok(Some(row));
        }
        if from == 0 {
            return Ok(None);
        }
        size *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::audit::AuditDraft;
    use serde_json::json;
    use shared_types::story::Deed;
    use shared_types::{Actor, TargetName, Timestamp};

    fn rows(count: u64) -> Vec<AuditEntry> {
        let target = TargetName::parse("autosave").unwrap();
        let mut rows: Vec<AuditEntry> = Vec::new();
        for number in 1..=count {
            let last = rows.last().map(|it| (it.seq, it.hash.clone()));
            let draft = AuditDraft {
                actor: Actor::phasegate(),
                action: Deed::TimerDue,
                subject: None,
                detail: json!({ "number": number }),
            };
            rows.push(draft.after(last, Some(&target), Timestamp::from_millis(1000)));
        }
        rows
    }

    fn read(archive: &Archive) -> Vec<AuditEntry> {
        let mut copy = archive.copy("autosave").unwrap();
        std::iter::from_fn(|| copy.next_row()).collect()
    }

    /// GO-4: a crash in the middle of a line costs nothing; no row is there twice.
    #[test]
    fn rows_are_appended_once_and_never_glued_to_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::below(folder.path());
        let rows = rows(40);
        assert_eq!(archive.last("autosave").unwrap(), None);
        assert!(archive.streams().unwrap().is_empty());
        archive.append("autosave", &rows[..20]).unwrap();
        archive.append("autosave", &rows[..20]).unwrap();
        let torn = serde_json::to_string(&rows[20]).unwrap();
        let mut file = OpenOptions::new().append(true).open(archive.path("autosave")).unwrap();
        file.write_all(&torn.as_bytes()[..50]).unwrap();
        assert_eq!(archive.last("autosave").unwrap().unwrap(), rows[19]);
        archive.append("autosave", &rows[10..]).unwrap();
        assert_eq!(read(&archive), rows);
        assert_eq!(archive.streams().unwrap(), ["autosave"]);
    }

    /// GO-4: evidence is not written over.
    #[test]
    fn a_row_that_does_not_follow_the_last_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::below(folder.path());
        let rows = rows(5);
        archive.append("autosave", &rows[..3]).unwrap();
        let gap = archive.append("autosave", &rows[4..]).unwrap_err();
        assert!(matches!(gap, ArchiveError::Departs { seq: 5, last: 3, .. }), "{gap}");
        let mut other = rows[3].clone();
        other.prev_hash = GENESIS.to_owned();
        archive.append("autosave", &[other]).unwrap_err();
        assert_eq!(read(&archive), rows[..3]);
    }
}
