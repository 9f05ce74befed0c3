//! Archived batches, read and parsed beside the thread that judges them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use collector_svc::archive::Named;
use shared_types::{Batch, TargetName, Timestamp};

use crate::exit::{Exit, error};

/// Batches that are parsed ahead.
const AHEAD: usize = 256;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The files of the patterns, by path; those of one day of a target, whichever release wrote them, are one piece.
pub(crate) fn archived(patterns: &[String]) -> anyhow::Result<Vec<Vec<PathBuf>>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let matches = glob::glob(pattern)
            .map_err(|wrong| error(Exit::Usage, format!("--jsonl `{pattern}`: {wrong}")))?;
        for found in matches {
            files.push(found.map_err(|cause| error(Exit::Failed, cause.to_string()))?);
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(error(Exit::NotFound, format!("--jsonl {}: no such file", patterns.join(" "))));
    }
    let mut pieces: BTreeMap<Place, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        pieces.entry(Place::of(&file)).or_default().push(file);
    }
    Ok(pieces.into_values().collect())
}

/// Where a file stands in the order of windows, within its directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Day(PathBuf, Timestamp),
    /// Not named by the collector: in the order of names.
    Other(PathBuf),
}

impl Place {
    fn of(file: &Path) -> Self {
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        match Named::of(file) {
            Some(Named::Day(start) | Named::Window(start)) => Self::Day(directory, start.align_down(DAY)),
            None => Self::Other(file.to_owned()),
        }
    }
}

/// The batches of a target in those files whose windows begin in a time, as they are read; without those before a
/// rollout's start and after its end, which nobody judges.
pub(crate) fn parsed(
    pieces: Vec<Vec<PathBuf>>,
    target: TargetName,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Receiver<anyhow::Result<Batch>> {
    let (send, batches) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let wanted = |batch: &Batch| {
            batch.target == target
                && batch.phase.is_gated()
                && from.is_none_or(|from| batch.window.start >= from)
                && to.is_none_or(|to| batch.window.start < to)
        };
        for piece in pieces {
            let batches = match read(&piece, &wanted) {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            for batch in batches {
                let stop = batch.is_err();
                if send.send(batch).is_err() || stop {
                    return; // nobody listens any more
                }
            }
        }
    });
    batches
}

/// The wanted batches of one piece. Of a day they are in the order of their windows, each window once: a line that was written
/// late stands after later ones, and a window may stand in a file of its own too.
fn read(files: &[PathBuf], wanted: &impl Fn(&Batch) -> bool) -> anyhow::Result<Vec<Batch>> {
    let mut batches = Vec::new();
    for file in files {
        let failed = |cause: std::io::Error| error(Exit::Failed, format!("{}: {cause}", file.display()));
        let mut text = std::fs::read(file).map_err(failed)?;
        if matches!(Named::of(file), Some(Named::Day(_))) {
            // What has no break yet is just being written.
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text.truncate(whole);
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        for (number, line) in (1..).zip(lines) {
            let batch = serde_json::from_slice::<Batch>(line).map_err(|cause| {
                error(Exit::Usage, format!("{}, line {number}: not a batch: {cause}", file.display()))
            })?;
            if wanted(&batch) {
                batches.push(batch);
            }
        }
    }
    if files.first().is_some_and(|file| Named::of(file).is_some()) {
        batches.sort_by_key(|batch| batch.window.start);
        batches.dedup_by_key(|batch| batch.window.start);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CO-3: an archive in which two releases have written, on the day of the upgrade side by side.
    #[test]
    fn files_of_one_day_are_read_as_one_whichever_release_wrote_them() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "2026-11-22.jsonl",
            "2026-11-23.jsonl",
            "20261121T234500Z.jsonl",
            "20261122T101500Z.jsonl",
            "20261122T100000Z.jsonl",
            "b.jsonl",
            "a.jsonl",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let pieces = archived(&[folder.path().join("*.jsonl").display().to_string()]).unwrap();
        let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
        let pieces: Vec<String> =
            pieces.iter().map(|piece| piece.iter().map(name).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            pieces,
            [
                "20261121T234500Z.jsonl",
                "2026-11-22.jsonl 20261122T100000Z.jsonl 20261122T101500Z.jsonl",
                "2026-11-23.jsonl",
                "a.jsonl",
                "b.jsonl",
            ]
        );
    }
}
