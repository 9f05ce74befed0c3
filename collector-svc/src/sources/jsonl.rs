//! JSONL files that grow, are rotated by renaming or by copying and truncating, replaced, or deleted.
//!
//! A file's position is the end of the last whole line that was counted, so a half-written last line waits. Which file is
//! which, and what becomes of one that is moved away, says `follow`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use domain::sources::jsonl::{Jsonl, KIND};

use super::follow::Follower;
use super::{Asked, Input, Newest, Opened, Opening, Reader, Source, SourceError};
use crate::store::FileCursor;
use events::records::{LINE_LENGTH_MAX, Records};
use events::{EventSpecs, Reason};

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

fn open(opening: &Opening<'_>) -> Opened {
    let Opening { policy, specs, threads, .. } = *opening;
    let collection = &policy.collection;
    let Some(Jsonl { paths }) = collection.source.of_kind::<Jsonl>() else { return Ok(None) };
    let timeout = collection.source_timeout;
    Ok(Some(Box::new(JsonlSource::new(paths.clone(), Arc::clone(specs), threads, timeout))))
}

/// Reads the files that some patterns match.
#[derive(Debug)]
pub struct JsonlSource {
    timeout: Duration,
    follower: Arc<Mutex<Follower>>,
}

impl JsonlSource {
    /// Patterns are relative to the working directory; a read that takes longer than `timeout` has failed.
    #[must_use]
    pub fn new(patterns: Vec<String>, specs: Arc<EventSpecs>, threads: usize, timeout: Duration) -> Self {
        let follower = Follower::new(patterns, specs, threads);
        Self { timeout, follower: Arc::new(Mutex::new(follower)) }
    }
}

#[async_trait]
impl Source for JsonlSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    async fn read(&mut self, asked: &Asked) -> Result<Input, SourceError> {
        let (cursor, now) = (Arc::clone(&asked.cursor), asked.now);
        self.in_time(move |follower| follower.look(&cursor, now)).await
    }

    async fn newest(&mut self, bytes: u64) -> Result<Newest, SourceError> {
        self.in_time(move |follower| follower.newest(bytes)).await
    }
}

impl JsonlSource {
    /// What the file system may be long at.
    async fn in_time<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Follower) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let follower = Arc::clone(&self.follower);
        let timed_out = SourceError::Timeout(self.timeout.as_secs());
        let reading = tokio::task::spawn_blocking(move || match follower.try_lock() {
            Ok(mut follower) => read(&mut follower),
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

/// Reads the whole lines of `bytes`, which begin at the position, and moves it past them. What was read comes in pieces, each
/// with the lines before it.
pub(super) fn take_lines(
    bytes: &[u8],
    position: &mut FileCursor,
    specs: &EventSpecs,
    threads: usize,
) -> Vec<(u64, Records)> {
    let mut rest = bytes;
    if position.skipping {
        match memchr::memchr(b'\n', rest) {
            Some(at) => {
                position.offset += at as u64 + 1;
                position.skipping = false;
                position.line += 1;
                rest = &rest[at + 1..];
            }
            None => {
                position.offset += rest.len() as u64;
                return Vec::new();
            }
        }
    }
    let lines_end = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
    let mut unfinished = &rest[lines_end..];
    let is_too_long = unfinished.len() > LINE_LENGTH_MAX;
    let whole = if is_too_long { lines_end } else { specs.settled(&rest[..lines_end]) };
    let mut pieces = Vec::new();
    for records in Records::of_slices(threads, &rest[..whole], specs) {
        let lines_before = position.line;
        position.line += records.lines;
        pieces.push((lines_before, records));
    }
    position.offset += whole as u64;
    if whole < lines_end {
        return pieces; // the end of a line that was cut up is still to come
    }
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
        let mut records = Records::default();
        records.malformed_at(1, &Reason::TooLong, unfinished);
        pieces.push((position.line, records));
    }
    pieces
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
