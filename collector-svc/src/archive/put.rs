//! One more line of a day's file, once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use memchr::{memchr_iter, memrchr};
use serde::Deserialize;
use service_kit::files::Writing;
use shared_types::{Batch, Timestamp, Window};

use super::{line_of, path};

/// As much of a file's end as its last line usually fits into.
const END: u64 = 64 << 10;

/// What is looked at of a line.
#[derive(Deserialize)]
struct Head {
    window: Window,
}

/// Writes a batch into the file of its day, and returns which one that is. When it returns, the line is on the disk.
///
/// Lines are in the order of their windows, and a window has one: usually the last one yet, which is added at the end. After an
/// attempt whose end nobody knows, and after a store was put back, it is found, and replaced where it says something else; one that
/// was given up and is tried again later gets its place. Whoever writes into the file at the same time waits.
///
/// # Errors
/// The file system's; what was begun of the line is taken back, or is by the next one.
pub fn put(data_dir: &Path, batch: &Batch) -> io::Result<PathBuf> {
    let (path, start) = (path(data_dir, &batch.target, batch.window.start), batch.window.start);
    let line = line_of(batch)?;
    let mut file = locked(&path)?;
    let length = mend(&mut file, &path)?;
    if length == 0 {
        append(&mut file, length, &line)?;
        sync_directories(&path)?;
        return Ok(path);
    }
    if last_start(&mut file, length)?.is_some_and(|last| last < start) {
        append(&mut file, length, &line)?;
        return Ok(path);
    }
    let text = read(&mut file, 0, length)?;
    let (from, to) = place_of(&text, start);
    if text[from..to] == line {
        // The attempt before may have ended before it was synced.
        file.sync_data()?;
    } else if from == text.len() {
        append(&mut file, length, &line)?;
    } else {
        let mut writing = Writing::begin(&path)?;
        writing.write_all(&text[..from])?;
        writing.write_all(&line)?;
        writing.write_all(&text[to..])?;
        writing.finish()?;
    }
    Ok(path)
}

/// The file, which nobody else writes into until it is dropped.
fn locked(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        // While it was waited for, another one may have been put in its place, or it was forgotten.
        let is_there = match fs::metadata(path) {
            Ok(there) => there.ino() == file.metadata()?.ino(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_there {
            return Ok(file);
        }
    }
}

/// Takes off what a crash or a full disk has left of a line: it was never said to be written. Returns how long the file is.
fn mend(file: &mut File, path: &Path) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut whole = length;
    while whole > 0 {
        let from = whole.saturating_sub(END);
        let piece = read(file, from, whole)?;
        if let Some(end) = memrchr(b'\n', &piece) {
            whole = from + u64::try_from(end).unwrap_or(0) + 1;
            break;
        }
        whole = from;
    }
    if whole < length {
        let bytes = length - whole;
        tracing::warn!(file = %path.display(), bytes, "the archive ended with a part of a line, which is written anew");
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// When the window of the last line began; none where that line is longer than is looked at, or is none of ours.
fn last_start(file: &mut File, length: u64) -> io::Result<Option<Timestamp>> {
    let piece = read(file, length.saturating_sub(END), length)?;
    let lines = piece.strip_suffix(b"\n").unwrap_or(&piece);
    let begins = match memrchr(b'\n', lines) {
        Some(end) => end + 1,
        None if length <= END => 0,
        None => return Ok(None),
    };
    Ok(start_of(&lines[begins..]))
}

fn start_of(line: &[u8]) -> Option<Timestamp> {
    serde_json::from_slice::<Head>(line).ok().map(|head| head.window.start)
}

/// Where the line of a window stands, its line break included; where it is not there, the place before the first later one.
fn place_of(text: &[u8], start: Timestamp) -> (usize, usize) {
    let (mut from, mut later) = (0, None);
    for end in memchr_iter(b'\n', text) {
        match start_of(&text[from..end]) {
            Some(known) if known == start => return (from, end + 1),
            Some(known) if known > start && later.is_none() => later = Some((from, from)),
            _ => {}
        }
        from = end + 1;
    }
    later.unwrap_or((text.len(), text.len()))
}

fn read(file: &mut File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    (&*file).take(to - from).read_to_end(&mut piece)?;
    Ok(piece)
}

fn append(file: &mut File, length: u64, line: &[u8]) -> io::Result<()> {
    if let Err(error) = file.write_all(line) {
        file.set_len(length).ok();
        return Err(error);
    }
    file.sync_data()
}

/// A new file is there after a crash only once its directory is synced, and that one's if it is new too.
fn sync_directories(path: &Path) -> io::Result<()> {
    path.ancestors().skip(1).take(2).try_for_each(|directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
#[path = "put_tests.rs"]
mod tests;
