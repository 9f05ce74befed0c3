//! The archive: each batch as a line of JSON, below `logs` in the data directory, one file a day and target (CO-3).
//!
//! A file is only made longer, by whole lines that are synced, and each window stands in it once, however often its batch is
//! written. Releases before wrote a file a batch; what they left is read, and goes when its time has come.

mod forget;
mod put;

use std::io;
use std::path::{Path, PathBuf};

use shared_types::{Batch, TargetName, Timestamp};

pub use forget::{forget_files, keep_for};
pub use put::put;

/// `logs/<target>/<day of the window's start, in UTC>.jsonl` under the data directory (CO-3).
#[must_use]
pub fn path(data_dir: &Path, target: &TargetName, window_start: Timestamp) -> PathBuf {
    let mut day = window_start.to_string();
    day.truncate("2026-11-22".len());
    data_dir.join("logs").join(target.as_str()).join(format!("{day}.jsonl"))
}

/// A batch as a line of JSON, with its line break.
///
/// # Errors
/// It cannot be serialised.
pub fn line_of(batch: &Batch) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(batch)?;
    line.push(b'\n');
    Ok(line)
}

/// What a file of the archive holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// `2026-11-22.jsonl`: the windows that begin on a day.
    Day(Timestamp),
    /// `20261122T101500Z.jsonl`, with milliseconds where they are not zero: one window, as releases before wrote it.
    Window(Timestamp),
}

impl Named {
    /// None: it is no file of the archive.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
        match stem.split_once('T') {
            None if stem.len() == "2026-11-22".len() => {
                Timestamp::parse(&format!("{stem}T00:00:00Z")).ok().map(Self::Day)
            }
            None => None,
            Some((date, time)) => window_start(date, time).map(Self::Window),
        }
    }
}

fn window_start(date: &str, time: &str) -> Option<Timestamp> {
    let (year, month_day) = date.split_at_checked(4)?;
    let (month, day) = month_day.split_at_checked(2)?;
    let (hour, rest) = time.split_at_checked(2)?;
    let (minute, second) = rest.split_at_checked(2)?;
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let named = |name: &str| Named::of(&Path::new("logs/autosave").join(name));
        assert_eq!(named("2026-11-22.jsonl"), Some(Named::Day(at("2026-11-22T00:00:00Z"))));
        assert_eq!(named("20261122T101500Z.jsonl"), Some(Named::Window(at("2026-11-22T10:15:00Z"))));
        assert_eq!(named("20261122T101500.250Z.jsonl"), Some(Named::Window(at("2026-11-22T10:15:00.250Z"))));
        for other in [
            "notes.txt",
            "2026-11-22",
            "2026-13-41.jsonl",
            "b.jsonl",
            "20261122.jsonl",
            ".2026-11-22.jsonl.x.tmp",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
        let target = TargetName::parse("autosave").unwrap();
        let late = path(Path::new("d"), &target, at("2026-11-22T23:59:59.999Z"));
        assert_eq!(late, Path::new("d/logs/autosave/2026-11-22.jsonl"));
    }
}
