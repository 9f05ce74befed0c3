//! JSONL files that grow, are rotated by renaming or by copying and truncating, replaced, or deleted.
//!
//! A file is known by device and inode, and by a hash of its first bytes; its position is the end of the last
//! whole line that was counted, so a half-written last line waits. Files stay open while they are read: one
//! that is renamed away or unlinked is still read to its end.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use domain::sources::jsonl::{Jsonl, KIND};
use serde::Deserialize as _;
use serde_json::Value;

use super::files::{self, Found, OpenFile};
use super::{
    Asked, Contribution, Cursor, Input, Moved, Opened, Opening, Origin, Part, Reader as KindReader, Source,
    SourceError,
};
use crate::store::FileCursor;
use events::records::{LINE_LENGTH_MAX, Records};
use events::{EventSpecs, Reason};

/// What reads the kind.
pub const READER: KindReader = KindReader { key: KIND.key, open };

fn open(opening: &Opening<'_>) -> Opened {
    let Opening { policy, specs, threads } = *opening;
    let collection = &policy.collection;
    let Some(Jsonl { paths }) = collection.source.of_kind::<Jsonl>() else { return Ok(None) };
    let timeout = collection.source_timeout;
    Ok(Some(Box::new(JsonlSource::new(paths.clone(), Arc::clone(specs), threads, timeout))))
}

/// Bytes read at once; also what one flush can hold.
const CHUNK: usize = 4 << 20;
/// Files kept open.
const HANDLES_MAX: usize = 256;

/// Reads the files that some patterns match.
#[derive(Debug)]
pub struct JsonlSource {
    timeout: Duration,
    reader: Arc<Mutex<Reader>>,
}

impl JsonlSource {
    /// Patterns are relative to the working directory; a read that takes longer than `timeout` has failed.
    #[must_use]
    pub fn new(patterns: Vec<String>, specs: Arc<EventSpecs>, threads: usize, timeout: Duration) -> Self {
        let reader = Reader {
            patterns,
            specs,
            threads,
            handles: HashMap::new(),
            unchanged: HashMap::new(),
            left_out: HashSet::new(),
            searched: false,
            buffer: Vec::new(),
        };
        Self { timeout, reader: Arc::new(Mutex::new(reader)) }
    }
}

#[async_trait]
impl Source for JsonlSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let (reader, cursor) = (Arc::clone(&self.reader), Arc::clone(&asked.cursor));
        let timed_out = SourceError::Timeout(self.timeout.as_secs());
        let reading = tokio::task::spawn_blocking(move || match reader.try_lock() {
            Ok(mut reader) => reader.read(&cursor),
            // The read before still hangs in the file system.
            Err(_) => Err(SourceError::Io {
                what: "the read before".to_owned(),
                reason: "has not come back".to_owned(),
            }),
        });
        match tokio::time::timeout(self.timeout, reading).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(SourceError::Io { what: "reading".to_owned(), reason: panic.to_string() }),
            Err(_) => Err(timed_out),
        }
    }
}

#[derive(Debug)]
struct Reader {
    patterns: Vec<String>,
    specs: Arc<EventSpecs>,
    threads: usize,
    handles: HashMap<String, OpenFile>,
    /// Length, time of change and read offset of files that had nothing new.
    unchanged: HashMap<String, (u64, SystemTime, u64)>,
    /// What the patterns match and is no file: each is named once.
    left_out: HashSet<PathBuf>,
    /// Whether files renamed while nobody looked were searched for.
    searched: bool,
    buffer: Vec<u8>,
}

impl Reader {
    fn leave_out(&mut self, path: PathBuf) {
        if !self.left_out.contains(&path) {
            tracing::warn!(path = %path.display(), "the pattern matches what is no regular file: it is left out");
            self.left_out.insert(path);
        }
    }

    fn read(&mut self, known: &Cursor) -> Result<Input, SourceError> {
        self.check_directories(known)?;
        let mut input = Input { caught_up: true, ..Input::default() };
        let mut room = CHUNK;
        let mut present = HashSet::new();
        for path in files::expand(&self.patterns)? {
            let metadata = match files::look(&path)? {
                Found::File(metadata) => metadata,
                Found::NoFile => {
                    self.leave_out(path);
                    continue;
                }
                Found::Gone => continue,
            };
            let id = files::identity(&metadata);
            let seen = (metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            let offset = known.get(&id).and_then(|it| it["offset"].as_u64());
            if !present.insert(id.clone()) {
                continue; // two names of one file
            }
            if self
                .unchanged
                .get(&id)
                .is_some_and(|before| Some(*before) == offset.map(|at| (seen.0, seen.1, at)))
            {
                continue;
            }
            let Some(file) = self.take_handle(&id, &path)? else { continue };
            let at_end = self.read_file(&file, known, &mut room, &mut input)?;
            if at_end {
                let at = input.moved.iter().find(|moved| moved.place == file.id);
                let offset = at.and_then(|moved| moved.cursor["offset"].as_u64()).or(offset).unwrap_or(0);
                self.unchanged.insert(file.id.clone(), (seen.0, seen.1, offset));
            }
            self.keep_handle(file);
        }
        self.read_departed(known, &present, &mut room, &mut input)?;
        self.unchanged.retain(|id, _| present.contains(id));
        Ok(input)
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

    /// Reads on in files that no pattern matches any more: renamed, or unlinked.
    fn read_departed(
        &mut self,
        known: &Cursor,
        present: &HashSet<String>,
        room: &mut usize,
        input: &mut Input,
    ) -> Result<(), SourceError> {
        if !self.searched {
            let missing = known.iter().filter(|(id, _)| !present.contains(*id));
            let found = missing.filter_map(|(id, it)| files::find_renamed(id, it["path"].as_str()?));
            let found: Vec<OpenFile> = found.take(HANDLES_MAX).collect();
            found.into_iter().for_each(|file| self.keep_handle(file));
            self.searched = true;
        }
        let departed: Vec<String> =
            self.handles.keys().filter(|id| !present.contains(*id)).cloned().collect();
        for id in departed {
            let Some(file) = self.handles.remove(&id) else { continue };
            let at_end = self.read_file(&file, known, room, input)?;
            let unlinked = file.metadata()?.nlink() == 0;
            if !(at_end && unlinked) {
                self.keep_handle(file);
            }
        }
        Ok(())
    }

    fn take_handle(&mut self, id: &str, path: &Path) -> Result<Option<OpenFile>, SourceError> {
        match self.handles.remove(id) {
            Some(file) => Ok(Some(OpenFile { path: path.to_owned(), ..file })),
            None => files::open(path),
        }
    }

    fn keep_handle(&mut self, file: OpenFile) {
        if self.handles.len() < HANDLES_MAX {
            self.handles.insert(file.id.clone(), file);
        }
    }

    /// True: nothing more was there.
    fn read_file(
        &mut self,
        file: &OpenFile,
        known: &Cursor,
        room: &mut usize,
        input: &mut Input,
    ) -> Result<bool, SourceError> {
        let length = file.metadata()?.len();
        let known = known.get(&file.id).and_then(|it| FileCursor::deserialize(it).ok());
        let (mut position, anew) = file.resume(known.as_ref(), length)?;
        if *room == 0 {
            let at_end = position.offset >= length;
            input.caught_up &= at_end;
            return Ok(at_end);
        }
        self.buffer.resize(CHUNK, 0);
        let filled = file.read(&mut self.buffer[..*room], position.offset)?;
        let at_end = filled < *room;
        *room -= filled;
        input.caught_up &= at_end;
        let line = position.line;
        let records = take_lines(&self.buffer[..filled], &mut position, &self.specs, self.threads);
        file.update_fingerprint(&mut position)?;
        if known.as_ref() != Some(&position) {
            let cursor = serde_json::to_value(position).map_err(|error| SourceError::Io {
                what: file.path.display().to_string(),
                reason: error.to_string(),
            })?;
            input.moved.push(Moved { place: file.id.clone(), cursor, anew });
        }
        if records.lines > 0 || records.malformed > 0 {
            let origin = Origin::Place { name: file.id.clone(), line };
            let part = Part { records, specs: Arc::clone(&self.specs), origin };
            input.contributions.push(Contribution::Records(part));
        }
        Ok(at_end)
    }
}

/// Reads the whole lines of `bytes`, which begin at the position, and moves it past them.
fn take_lines(bytes: &[u8], position: &mut FileCursor, specs: &EventSpecs, threads: usize) -> Records {
    let mut rest = bytes;
    let mut skipped_lines = 0;
    if position.skipping {
        match memchr::memchr(b'\n', rest) {
            Some(at) => {
                position.offset += at as u64 + 1;
                position.skipping = false;
                skipped_lines = 1;
                rest = &rest[at + 1..];
            }
            None => {
                position.offset += rest.len() as u64;
                return Records::default();
            }
        }
    }
    let whole = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
    let mut records = Records::of_lines_on(threads, &rest[..whole], specs);
    let mut unfinished = &rest[whole..];
    position.offset += whole as u64;
    // A hole before a line is no part of it (TE-8). One with nothing behind it may still be written into.
    let hole = unfinished.iter().take_while(|byte| **byte == 0).count();
    if hole < unfinished.len() || hole > LINE_LENGTH_MAX {
        position.offset += hole as u64;
        unfinished = &unfinished[hole..];
    }
    if unfinished.len() > LINE_LENGTH_MAX {
        // Its end may never come, and must not be waited for in memory.
        position.offset += unfinished.len() as u64;
        position.skipping = true;
        records.malformed_at(records.lines + 1, &Reason::TooLong, unfinished);
    }
    records.shift(skipped_lines);
    position.line += records.lines;
    records
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::*;
    use events::EventSpec;

    struct Rig {
        directory: tempfile::TempDir,
        source: JsonlSource,
        cursor: Arc<Cursor>,
    }

    fn specs() -> Arc<EventSpecs> {
        Arc::new(EventSpecs::new([EventSpec::counted("drift")]).unwrap())
    }

    impl Rig {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let source = Self::source(&directory);
            Self { directory, source, cursor: Arc::default() }
        }

        fn source(directory: &tempfile::TempDir) -> JsonlSource {
            let pattern = directory.path().join("*.jsonl").display().to_string();
            JsonlSource::new(vec![pattern], specs(), 1, Duration::from_secs(30))
        }

        /// A restart: only what was committed is known.
        fn restart(&mut self) {
            self.source = Self::source(&self.directory);
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn asked(&self) -> Asked {
            let now = shared_types::Timestamp::from_millis(0);
            Asked { cursor: Arc::clone(&self.cursor), now, windows: Vec::new() }
        }

        fn commit(&mut self, input: &Input) {
            let moved = input.moved.iter().map(|moved| (moved.place.clone(), moved.cursor.clone()));
            Arc::make_mut(&mut self.cursor).extend(moved);
        }

        fn lines_read(&self) -> u64 {
            self.cursor.values().map(|it| it["line"].as_u64().unwrap()).sum()
        }

        /// Ids handed over by one read, and the malformed lines.
        async fn read(&mut self) -> (Vec<u64>, u64) {
            let asked = self.asked();
            let input = self.source.read(&asked).await.unwrap();
            self.commit(&input);
            let parts = parts(&input);
            let ids = parts.iter().flat_map(|part| part.records.events.iter().map(|event| event.id_hash));
            (ids.collect(), parts.iter().map(|part| part.records.malformed).sum())
        }

        async fn expect(&mut self, ids: &[u32]) {
            let mut hashes: Vec<u64> =
                ids.iter().map(|id| xxhash_rust::xxh3::xxh3_64(id.to_string().as_bytes())).collect();
            let (mut read, _) = self.read().await;
            hashes.sort_unstable();
            read.sort_unstable();
            assert_eq!(read, hashes, "{ids:?}");
        }
    }

    fn parts(input: &Input) -> Vec<&Part> {
        input
            .contributions
            .iter()
            .filter_map(|it| match it {
                Contribution::Records(part) => Some(part),
                Contribution::Totals(_) => None,
            })
            .collect()
    }

    fn lines(ids: &[u32]) -> String {
        ids.iter()
            .map(|id| {
                format!("{{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\",\"event_id\":\"{id}\"}}\n")
            })
            .collect()
    }

    /// TE-5: a file that grows, with a half-written last line that waits, across a restart.
    #[tokio::test]
    async fn a_growing_file_is_read_once_and_a_half_written_line_waits() {
        let mut rig = Rig::new();
        rig.expect(&[]).await;
        rig.append("a.jsonl", &lines(&[1, 2]));
        rig.append("a.jsonl", "{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\",");
        rig.expect(&[1, 2]).await;
        rig.expect(&[]).await;
        rig.restart();
        rig.append("a.jsonl", "\"event_id\":\"3\"}\n");
        rig.append("b.jsonl", &lines(&[4]));
        rig.expect(&[3, 4]).await;
        assert_eq!(rig.lines_read(), 4);
    }

    /// TE-8, CO-9: a writer that goes on where it was in a file that was truncated leaves a hole: no line behind it is lost.
    #[tokio::test]
    async fn a_hole_before_a_line_is_passed_over() {
        use std::os::unix::fs::FileExt as _;
        let mut rig = Rig::new();
        rig.append("a.jsonl", &lines(&[1, 2]));
        rig.expect(&[1, 2]).await;
        let file = fs::OpenOptions::new().write(true).open(rig.path("a.jsonl")).unwrap();
        file.set_len(0).unwrap();
        let far = CHUNK as u64 + 100;
        file.write_all_at(lines(&[3]).as_bytes(), far).unwrap();
        let mut read = 0;
        for _ in 0..3 {
            let (ids, malformed) = rig.read().await;
            read += ids.len();
            assert_eq!(malformed, 0);
        }
        assert_eq!(read, 1);
        file.set_len(far + 500).unwrap();
        rig.expect(&[]).await;
        file.write_all_at(lines(&[4]).as_bytes(), far + lines(&[3]).len() as u64).unwrap();
        rig.expect(&[4]).await;
    }

    /// TE-5: rotation by renaming, also to a name that the pattern does not match, also while nobody looks.
    #[tokio::test]
    async fn a_file_renamed_away_is_read_to_its_end_and_the_new_one_from_its_beginning() {
        let mut rig = Rig::new();
        rig.append("a.jsonl", &lines(&[1]));
        rig.expect(&[1]).await;
        rig.append("a.jsonl", &lines(&[2]));
        fs::rename(rig.path("a.jsonl"), rig.path("a.jsonl.1")).unwrap();
        rig.append("a.jsonl", &lines(&[3]));
        rig.expect(&[2, 3]).await;

        rig.append("a.jsonl", &lines(&[4]));
        fs::rename(rig.path("a.jsonl"), rig.path("a.jsonl.2")).unwrap();
        rig.restart();
        rig.expect(&[4]).await;

        rig.append("a.jsonl", &lines(&[5]));
        rig.expect(&[5]).await;
        rig.append("a.jsonl", &lines(&[6]));
        fs::remove_file(rig.path("a.jsonl")).unwrap();
        rig.expect(&[6]).await;
        rig.expect(&[]).await;
    }

    /// TE-5: truncated, copied and truncated, replaced under the same inode.
    #[tokio::test]
    async fn a_truncated_or_rewritten_file_is_read_from_its_beginning() {
        let mut rig = Rig::new();
        rig.append("a.jsonl", &lines(&[1, 2, 3]));
        rig.expect(&[1, 2, 3]).await;
        fs::copy(rig.path("a.jsonl"), rig.path("a.copy")).unwrap();
        fs::write(rig.path("a.jsonl"), lines(&[4])).unwrap();
        rig.expect(&[4]).await;
        fs::write(rig.path("a.jsonl"), lines(&[5, 6, 7, 8])).unwrap();
        rig.restart();
        rig.expect(&[5, 6, 7, 8]).await;
        let replacement = rig.path("new");
        fs::write(&replacement, lines(&[9])).unwrap();
        fs::rename(replacement, rig.path("a.jsonl")).unwrap();
        rig.expect(&[9]).await;
    }

    /// TE-2: a line over 64 KiB is skipped without being kept, whether it has ended or not.
    #[tokio::test]
    async fn an_endless_line_is_counted_once_and_skipped() {
        let mut rig = Rig::new();
        rig.append("a.jsonl", &lines(&[1]));
        rig.append("a.jsonl", &"x".repeat(LINE_LENGTH_MAX + 1));
        assert_eq!(rig.read().await.1, 1);
        rig.restart();
        rig.append("a.jsonl", &"y".repeat(CHUNK));
        assert_eq!(rig.read().await, (vec![], 0));
        rig.append("a.jsonl", &format!("z\n{}bad\n", lines(&[2])));
        let (ids, malformed) = rig.read().await;
        assert_eq!((ids.len(), malformed), (1, 1));
        assert_eq!(rig.lines_read(), 4);
    }

    /// CO-5: a file system that hangs is an outage after `timeout`; nothing is lost or read twice by it.
    #[test]
    fn a_read_that_hangs_times_out_and_is_done_again() {
        // The one thread that may block is busy, as one that waits for a file system is.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (release, hang) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || hang.recv());
            let mut rig = Rig::new();
            rig.append("a.jsonl", &lines(&[1]));
            rig.source.timeout = Duration::from_millis(20);
            let asked = rig.asked();
            let error = rig.source.read(&asked).await.unwrap_err();
            assert!(matches!(error, SourceError::Timeout(_)), "{error}");
            release.send(()).unwrap();
            busy.await.unwrap().unwrap();
            rig.source.timeout = Duration::from_secs(30);
            rig.expect(&[1]).await;
            rig.expect(&[]).await;
        });
    }

    #[tokio::test]
    async fn one_read_is_bounded() {
        let mut rig = Rig::new();
        let line = lines(&[1]);
        rig.append("a.jsonl", &line.repeat(CHUNK / line.len() * 2));
        let asked = rig.asked();
        let first = rig.source.read(&asked).await.unwrap();
        assert!(!first.caught_up && parts(&first)[0].records.events.len() <= CHUNK / line.len());
        rig.commit(&first);
        let asked = rig.asked();
        let second = rig.source.read(&asked).await.unwrap();
        assert!(second.caught_up || parts(&second)[0].records.events.len() == CHUNK / line.len());
    }

    #[tokio::test]
    async fn what_is_no_file_or_never_was_there_is_no_outage() {
        let mut rig = Rig::new();
        fs::create_dir(rig.path("x.jsonl")).unwrap();
        rig.append("y.jsonl", &lines(&[1]));
        let asked = rig.asked();
        let read = rig.source.read(&asked).await.unwrap();
        assert_eq!(parts(&read)[0].records.events.len(), 1, "the other file is read all the same");
        let pattern = rig.path("never/*.jsonl").display().to_string();
        let mut never = JsonlSource::new(vec![pattern], specs(), 1, Duration::from_secs(30));
        assert!(never.read(&rig.asked()).await.unwrap().caught_up);
    }
}
