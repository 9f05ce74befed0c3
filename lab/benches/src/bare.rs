//! What the collector is compared with: programs that only split lines, or that count the same windows without a store, a
//! grace, a policy or a bound on their memory.

mod line;
mod windows;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use line::Line;
use windows::Windows;

const CHUNK: usize = 4 << 20;

/// Counts lines.
pub(crate) fn lines(files: &[PathBuf], threads: usize) -> anyhow::Result<u64> {
    parts(files, threads, || 0_u64, |count, _| *count += 1).map(|counts| counts.iter().sum())
}

/// Parses every line into a borrowed struct with serde_json, and counts it in its window.
pub(crate) fn parse(files: &[PathBuf], threads: usize) -> anyhow::Result<u64> {
    counted(files, threads, line::typed)
}

/// Reads every line by hand, and counts it in its window: the bound.
pub(crate) fn flat(files: &[PathBuf], threads: usize) -> anyhow::Result<u64> {
    counted(files, threads, line::flat)
}

fn counted(
    files: &[PathBuf],
    threads: usize,
    read: impl for<'a> Fn(&'a [u8]) -> Option<Line<'a>> + Sync,
) -> anyhow::Result<u64> {
    let parts = parts(files, threads, Windows::default, |windows, line| windows.count(read(line)))?;
    let mut all = Windows::default();
    parts.into_iter().for_each(|part| all.merge(part));
    Ok(all.lines())
}

/// Gives each thread its part of each file, cut at a line.
fn parts<T: Send>(
    files: &[PathBuf],
    threads: usize,
    start: impl Fn() -> T + Sync,
    line: impl Fn(&mut T, &[u8]) + Sync,
) -> anyhow::Result<Vec<T>> {
    let mut cuts_of_files = Vec::new();
    for file in files {
        let length = std::fs::metadata(file)?.len();
        cuts_of_files.push((file, cuts(file, length, threads)?));
    }
    std::thread::scope(|scope| {
        let (start, line, cuts_of_files) = (&start, &line, &cuts_of_files);
        let workers: Vec<_> = (0..threads)
            .map(|at| {
                scope.spawn(move || {
                    let mut state = start();
                    for (file, cuts) in cuts_of_files {
                        one_part(file, cuts[at], cuts[at + 1], &mut state, line)?;
                    }
                    Ok::<_, anyhow::Error>(state)
                })
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
    state: &mut T,
    line: impl Fn(&mut T, &[u8]),
) -> anyhow::Result<()> {
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
            line(state, &buffer[from..at]);
            from = at + 1;
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
        if read == 0 {
            return Ok(());
        }
    }
}
