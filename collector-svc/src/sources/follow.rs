//! Which files are read, how far, and what becomes of those that go (CO-9). Each look goes over what the patterns match and
//! over every file that is known besides.
//!
//! A file is known by device and inode, by when it was made, and by hashes of its first bytes and of those before its position:
//! one that was cut off or written anew is read from its beginning. One that was renamed or unlinked is read on: by its handle, which stays
//! open while something may still be written, else by the path where it was last seen, else in the directories around that.
//! One that is found no more is told as lost, once, with its name and what is known to have been unread.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::stored::plain;
use serde::Deserialize as _;
use serde_json::Value;
use shared_types::Timestamp;
use shared_types::batch::LostFile;

use super::files::{self, Found, Matches, OpenFile};
use super::jsonl::take_lines;
use super::newest::newest;
use super::{Contribution, Cursor, Input, LeftOut, Moved, Newest, Origin, Part, SourceError};
use crate::store::FileCursor;
use events::EventSpecs;

/// Bytes read at once.
pub(super) const CHUNK: usize = 4 << 20;
/// Files kept open that stand where a pattern matches. One beyond that is found again by its path, or told as lost.
const HANDLES_MAX: usize = 256;
/// An unlinked file in which nothing was written for so long is let go, and its space with it.
const QUIET: Duration = Duration::from_secs(60);
/// Of a file that changed less than this ago the time of its last change tells nothing yet.
const TICK: Duration = Duration::from_secs(3);
/// A file that was read to its end and in which nothing was written for so long may go without being missed.
const SETTLED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Reads the files that some patterns match, and those that they matched.
#[derive(Debug)]
pub(super) struct Follower {
    patterns: Vec<String>,
    specs: Arc<EventSpecs>,
    threads: usize,
    handles: HashMap<String, OpenFile>,
    /// Of files with nothing more to be read: how they looked, and how far they were read.
    unchanged: HashMap<String, (Appearance, u64)>,
    /// How far all was read when this began, and what was met since as it was left then: of the others nobody knows what was
    /// written into them before.
    inherited: Option<Arc<Cursor>>,
    watched: HashSet<String>,
    /// The time of the last event that was read from a path.
    reached_ms: HashMap<PathBuf, i64>,
    /// What was said to be left out: each is named once.
    named: HashSet<PathBuf>,
    buffer: Vec<u8>,
}

/// What changes with a file's content: its length and the time of its last change, which nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Appearance {
    length: u64,
    changed: (i64, i64),
}

impl Appearance {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), changed: (metadata.ctime(), metadata.ctime_nsec()) }
    }

    /// Whether another change would show: one within the same tick of the file system's clock does not.
    fn tells(&self, now: Timestamp) -> bool {
        now.since(Timestamp::from_millis(self.changed.0.saturating_mul(1000))) >= TICK
    }
}

/// One look.
struct Look<'a> {
    known: &'a Cursor,
    now: Timestamp,
    /// Bytes that may still be read.
    room: usize,
    input: Input,
    /// Files that a pattern matches, and that were followed in another way.
    met: HashSet<String>,
    /// Something that a pattern matches could be read.
    readable: bool,
    left_out: HashSet<PathBuf>,
    /// Files around a directory, by identity.
    nearby: HashMap<PathBuf, HashMap<String, PathBuf>>,
}

/// How far a file is read after a look.
struct ReadTo {
    position: FileCursor,
    /// Nothing more was there.
    at_end: bool,
    metadata: Metadata,
}

impl Follower {
    pub(super) fn new(patterns: Vec<String>, specs: Arc<EventSpecs>, threads: usize) -> Self {
        Self {
            patterns,
            specs,
            threads,
            handles: HashMap::new(),
            unchanged: HashMap::new(),
            inherited: None,
            watched: HashSet::new(),
            reached_ms: HashMap::new(),
            named: HashSet::new(),
            buffer: Vec::new(),
        }
    }

    /// Reads what is new after the cursor, a bounded amount.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(super) fn look(&mut self, known: &Arc<Cursor>, now: Timestamp) -> Result<Input, SourceError> {
        self.inherited.get_or_insert_with(|| Arc::clone(known));
        self.check_directories(known)?;
        let Matches { mut paths, unreadable } = files::expand(&self.patterns)?;
        self.reached_ms.retain(|path, _| paths.binary_search(path).is_ok());
        // What lags behind comes first: files that span the same time go through it side by side, so that the ids of few
        // windows are needed at once.
        paths.sort_by_key(|path| self.reached_ms.get(path).copied());
        let mut look = Look {
            known,
            now,
            room: CHUNK,
            input: Input { caught_up: true, ..Input::default() },
            met: HashSet::new(),
            readable: false,
            left_out: HashSet::new(),
            nearby: HashMap::new(),
        };
        for LeftOut { path, reason } in unreadable {
            self.leave_out(Path::new(&path), reason, &mut look);
        }
        for path in paths {
            if let Err(error) = self.read_present(&path, &mut look) {
                self.leave_out(&path, error.reason(), &mut look);
            }
        }
        self.read_departed(&mut look);
        self.find_missing(&mut look);
        self.unchanged.retain(|id, _| look.met.contains(id));
        self.named.retain(|path| look.left_out.contains(path));
        match look.input.left_out.first() {
            Some(LeftOut { path, reason }) if !look.readable => {
                Err(SourceError::Io { what: path.clone(), reason: reason.clone() })
            }
            _ => Ok(look.input),
        }
    }

    /// Where the newest bytes begin.
    ///
    /// # Errors
    /// A pattern is none, or a file cannot be read.
    pub(super) fn newest(&self, bytes: u64) -> Result<Newest, SourceError> {
        newest(&self.patterns, bytes)
    }

    /// A directory that was read from before and is gone now is an outage; one that never was there is only
    /// empty.
    fn check_directories(&self, known: &Cursor) -> Result<(), SourceError> {
        for pattern in &self.patterns {
            let directory = files::fixed_directory(pattern);
            let seen_in =
                |it: &Value| it["path"].as_str().is_some_and(|path| Path::new(path).starts_with(&directory));
            let was_read = || known.values().any(seen_in);
            if !directory.exists() && was_read() {
                let reason = "the directory is gone".to_owned();
                return Err(SourceError::Io { what: directory.display().to_string(), reason });
            }
        }
        Ok(())
    }

    /// What cannot be read does not stop the rest.
    fn leave_out(&mut self, path: &Path, reason: String, look: &mut Look<'_>) {
        self.name_once(path, &reason, look);
        look.input.left_out.push(LeftOut { path: path.display().to_string(), reason });
    }

    fn name_once(&mut self, path: &Path, reason: &str, look: &mut Look<'_>) {
        if self.named.insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), reason, "the pattern matches what cannot be read: it is left out");
        }
        look.left_out.insert(path.to_owned());
    }

    fn read_present(&mut self, path: &Path, look: &mut Look<'_>) -> Result<(), SourceError> {
        let metadata = match files::look(path)? {
            Found::File(metadata) => metadata,
            Found::NoFile => {
                self.name_once(path, "no regular file", look);
                return Ok(());
            }
            Found::Gone => return Ok(()),
        };
        let id = files::identity(&metadata);
        if !look.met.insert(id.clone()) {
            return Ok(()); // two names of one file
        }
        if self.is_unchanged(&id, &metadata, look) {
            look.readable = true;
            return Ok(());
        }
        if look.room == 0 && look.known.contains_key(&id) {
            look.readable = true;
            look.input.caught_up = false;
            return Ok(());
        }
        let file = match self.handles.remove(&id) {
            Some(file) => OpenFile { path: path.to_owned(), ..file },
            None => match files::open(path)? {
                Some(file) => file,
                None => return Ok(()),
            },
        };
        look.met.insert(file.id.clone());
        let read = self.read_file(&file, false, look)?;
        look.readable = true;
        if self.handles.len() < HANDLES_MAX && !read.position.settled {
            self.handles.insert(file.id.clone(), file);
        }
        Ok(())
    }

    /// Nothing was written since it was read to its end, and there is nothing else to be noted of it.
    fn is_unchanged(&self, id: &str, metadata: &Metadata, look: &Look<'_>) -> bool {
        let Some((seen, offset)) = self.unchanged.get(id) else { return false };
        *seen == Appearance::of(metadata)
            && look.position(id).is_some_and(|position| {
                let settles = !position.settled && files::is_quiet(metadata, look.now, SETTLED_AFTER);
                position.offset == *offset && !position.gone && !(settles && position.unread() == Some(0))
            })
    }

    /// Reads on in files that are open and that no pattern matches any more: renamed, or unlinked.
    fn read_departed(&mut self, look: &mut Look<'_>) {
        let mut departed: Vec<String> =
            self.handles.keys().filter(|id| !look.met.contains(*id)).cloned().collect();
        departed.sort();
        for id in departed {
            let Some(file) = self.handles.remove(&id) else { continue };
            look.met.insert(id.clone());
            let known = look.position(&id);
            if known.as_ref().is_some_and(|known| known.gone) {
                continue; // let go, and that is committed
            }
            let file = OpenFile { path: file.path_now(), ..file };
            match self.read_file(&file, true, look) {
                Ok(ReadTo { position, at_end, metadata }) => {
                    let nothing_new = known.as_ref() == Some(&position);
                    let unlinked = metadata.nlink() == 0;
                    if unlinked && nothing_new && at_end && files::is_quiet(&metadata, look.now, QUIET) {
                        let settled = position.unread() == Some(0);
                        look.let_go(&id, FileCursor { settled, ..position });
                    } else if !unlinked && nothing_new && position.settled {
                        continue; // found again by its path
                    }
                }
                Err(error) => self.leave_out(&file.path, error.reason(), look),
            }
            self.handles.insert(id, file);
        }
    }

    /// Looks for files that are known, and neither matched by a pattern nor open.
    fn find_missing(&mut self, look: &mut Look<'_>) {
        let is_gone = |it: &Value| it["gone"].as_bool().unwrap_or(false);
        let missing = look.known.iter().filter(|(id, it)| !look.met.contains(*id) && !is_gone(it));
        let mut missing: Vec<String> = missing.map(|(id, _)| id.clone()).collect();
        missing.sort();
        for id in missing {
            let Some(position) = look.position(&id) else { continue };
            look.met.insert(id.clone());
            if let Err(error) = self.find(&id, &position, look) {
                self.leave_out(Path::new(&position.path), error.reason(), look);
            }
        }
    }

    fn find(&mut self, id: &str, position: &FileCursor, look: &mut Look<'_>) -> Result<(), SourceError> {
        let last_seen = PathBuf::from(&position.path);
        let stands = match files::look(&last_seen)? {
            Found::File(metadata) if files::identity(&metadata) == id => Some(metadata),
            Found::File(_) | Found::NoFile | Found::Gone => None,
        };
        if stands.as_ref().is_some_and(|metadata| self.is_unchanged(id, metadata, look)) {
            return Ok(());
        }
        let path = if stands.is_some() { Some(last_seen) } else { look.find_nearby(id, &last_seen) };
        let file = path.map(|path| files::open(&path)).transpose()?.flatten().filter(|file| file.id == id);
        let Some(file) = file else {
            look.let_go(id, position.clone());
            return Ok(());
        };
        if !file.is_that_of(position, &file.metadata()?)? {
            look.let_go(id, position.clone());
        } else if stands.is_some() && !position.departed {
            tracing::info!(path = position.path, "no pattern matches the file any more: it is not read on");
            look.move_on(id, &FileCursor { gone: true, ..position.clone() }, false);
        } else {
            let read = self.read_file(&file, true, look)?;
            if self.handles.len() < HANDLES_MAX && !read.position.settled {
                self.handles.insert(id.to_owned(), file);
            }
        }
        Ok(())
    }

    fn was_watched(&self, id: &str, known: &Cursor) -> bool {
        let inherited = self.inherited.as_ref().and_then(|cursor| cursor.get(id));
        self.watched.contains(id) || inherited != known.get(id)
    }

    fn read_file(
        &mut self,
        file: &OpenFile,
        departed: bool,
        look: &mut Look<'_>,
    ) -> Result<ReadTo, SourceError> {
        let metadata = file.metadata()?;
        let (length, appearance) = (metadata.len(), Appearance::of(&metadata));
        let path = file.path.display().to_string();
        let known = look.position(&file.id);
        let before = match &known {
            Some(known) if file.is_that_of(known, &metadata)? => Some(known),
            _ => None,
        };
        let start = before.cloned().unwrap_or_default();
        self.buffer.resize(CHUNK, 0);
        let filled = file.read(&mut self.buffer[..look.room], start.offset)?;
        let read_until = start.offset + filled as u64;
        let at_end = filled < look.room || read_until >= length;
        let mut position = FileCursor { path, departed, gone: false, ..start.clone() };
        let pieces = take_lines(&self.buffer[..filled], &mut position, &self.specs, self.threads);
        if position.offset != start.offset || position.near_length == 0 {
            file.take_fingerprints(&mut position)?;
        }
        position.created_ns = files::created_ns(&metadata);
        position.length = Some(length.max(read_until));
        position.settled =
            position.unread() == Some(0) && files::is_quiet(&metadata, look.now, SETTLED_AFTER);

        if let Some(last) = pieces.iter().rev().find_map(|(_, records)| records.events.last()) {
            self.reached_ms.insert(file.path.clone(), last.ts_ms);
        }
        look.room -= filled;
        look.input.bytes += filled;
        look.input.caught_up &= at_end;
        match (&known, before) {
            (Some(_), Some(_)) => _ = self.watched.insert(file.id.clone()),
            (Some(known), None) => look.written_anew(known, self.was_watched(&file.id, look.known)),
            (None, _) => {}
        }
        if known.as_ref() != Some(&position) {
            look.move_on(&file.id, &position, before.is_none());
        }
        look.input.contributions.extend(pieces.into_iter().map(|(line, records)| {
            let origin = Origin::Place { name: file.id.clone(), line };
            Contribution::Records(Part { records, specs: Arc::clone(&self.specs), origin })
        }));
        if at_end && appearance.tells(look.now) {
            self.unchanged.insert(file.id.clone(), (appearance, position.offset));
        }
        Ok(ReadTo { position, at_end, metadata })
    }
}

impl Look<'_> {
    fn position(&self, id: &str) -> Option<FileCursor> {
        self.known.get(id).and_then(|it| FileCursor::deserialize(it).ok())
    }

    fn move_on(&mut self, id: &str, position: &FileCursor, anew: bool) {
        let moved = Moved { place: id.to_owned(), cursor: plain(position), anew };
        match self.input.moved.iter_mut().find(|it| it.place == id) {
            Some(before) => *before = Moved { anew: before.anew || anew, ..moved },
            None => self.input.moved.push(moved),
        }
    }

    /// A file that is found no more, or that nobody can write into any more.
    fn let_go(&mut self, id: &str, position: FileCursor) {
        if position.settled {
            tracing::info!(path = position.path, "the file is gone; it had been read to its end");
        } else {
            self.lose(&position);
        }
        self.move_on(id, &FileCursor { gone: true, ..position }, false);
    }

    /// What was known of a file is not of what stands there now. Seen just before, and read to its end then, nothing is
    /// known to be missing: that is how copying and truncating looks.
    fn written_anew(&mut self, known: &FileCursor, was_watched: bool) {
        tracing::info!(path = known.path, "truncated or replaced: it is read from its beginning");
        let all_read = was_watched && known.unread() == Some(0);
        if !known.gone && !all_read {
            self.lose(known);
        }
    }

    fn lose(&mut self, position: &FileCursor) {
        let bytes = position.unread().filter(|bytes| *bytes > 0);
        let lost = LostFile { file: position.path.clone(), bytes };
        self.input.contributions.push(Contribution::Lost(lost));
    }

    /// The path of a file that was moved within the directory where it was last seen, or to one directly below it.
    fn find_nearby(&mut self, id: &str, last_seen: &Path) -> Option<PathBuf> {
        let directory = last_seen.parent()?;
        if !self.nearby.contains_key(directory) {
            self.nearby.insert(directory.to_owned(), files::nearby(directory));
        }
        self.nearby.get(directory)?.get(id).cloned()
    }
}

#[cfg(test)]
#[path = "follow_properties.rs"]
mod properties;
