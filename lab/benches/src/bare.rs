//! What the collector is compared with: programs that only split lines, or only parse them and know the ids.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

const CHUNK: usize = 4 << 20;

/// Counts lines.
pub(crate) fn lines(file: &Path, threads: usize) -> anyhow::Result<u64> {
    parts(file, threads, || 0_u64, |count, _| *count += 1).map(|counts| counts.iter().sum())
}

/// Parses every line into a borrowed struct with serde_json and puts its id into a set of hashes.
pub(crate) fn parse(file: &Path, threads: usize) -> anyhow::Result<u64> {
    let parts = parts(file, threads, Parsed::default, Parsed::line)?;
    let sum: f64 = parts.iter().map(|part| part.duration_ms).sum();
    std::hint::black_box((sum, parts.iter().map(|part| part.seen.len()).sum::<usize>()));
    Ok(parts.iter().map(|part| part.events + part.malformed).sum())
}

#[derive(Deserialize)]
struct Event<'a> {
    ts: &'a str,
    name: &'a str,
    event_id: Option<&'a str>,
    duration_ms: Option<f64>,
    code: Option<&'a str>,
    retryable: Option<bool>,
}

#[derive(Default)]
struct Parsed {
    events: u64,
    malformed: u64,
    duration_ms: f64,
    seen: HashSet<u64, BuildHasherDefault<Identity>>,
}

impl Parsed {
    fn line(&mut self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
            self.malformed += 1;
            return;
        };
        std::hint::black_box((event.ts, event.name, event.code, event.retryable));
        self.events += 1;
        if event.event_id.is_none_or(|id| self.seen.insert(xxh3_64(id.as_bytes()))) {
            self.duration_ms += event.duration_ms.unwrap_or(0.0);
        }
    }
}

#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Gives each thread its part of the file, cut at a line.
fn parts<T: Send>(
    file: &Path,
    threads: usize,
    start: impl Fn() -> T + Sync,
    line: impl Fn(&mut T, &[u8]) + Sync,
) -> anyhow::Result<Vec<T>> {
    let length = std::fs::metadata(file)?.len();
    let cuts = cuts(file, length, threads)?;
    std::thread::scope(|scope| {
        let (start, line) = (&start, &line);
        let workers: Vec<_> = cuts
            .windows(2)
            .map(|cut| {
                let (from, to) = (cut[0], cut[1]);
                scope.spawn(move || one_part(file, from, to, start, line))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a thread failed"))?)
            .collect()
    })
}

fn cuts(file: &Path, length: u64, threads: usize) -> anyhow::Result<Vec<u64>> {
    let mut reader = File::open(file)?;
    let mut cuts = vec![0];
    for part in 1..threads as u64 {
        let at = length / threads as u64 * part;
        reader.seek(SeekFrom::Start(at))?;
        let mut some = vec![0; 64 * 1024];
        let read = reader.read(&mut some)?;
        cuts.push(at + memchr::memchr(b'\n', &some[..read]).map_or(0, |at| at as u64 + 1));
    }
    cuts.push(length);
    Ok(cuts)
}

fn one_part<T>(
    file: &Path,
    from: u64,
    to: u64,
    start: impl Fn() -> T,
    line: impl Fn(&mut T, &[u8]),
) -> anyhow::Result<T> {
    let mut state = start();
    let mut reader = File::open(file)?;
    reader.seek(SeekFrom::Start(from))?;
    let mut reader = reader.take(to - from);
    let mut buffer = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let read = reader.read(&mut buffer[kept..])?;
        let filled = kept + read;
        let whole = memchr::memrchr(b'\n', &buffer[..filled]).map_or(0, |at| at + 1);
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', &buffer[..whole]) {
            line(&mut state, &buffer[from..at]);
            from = at + 1;
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
        if read == 0 {
            return Ok(state);
        }
    }
}
