//! Archived batches, read and parsed beside the thread that judges them.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use shared_types::{Batch, TargetName, Timestamp};

use crate::exit::{Exit, error};

/// Batches that are parsed ahead.
const AHEAD: usize = 256;

/// The files of the patterns, by path: those that the collector names sort as their windows do.
pub(crate) fn archived(patterns: &[String]) -> anyhow::Result<Vec<PathBuf>> {
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
    Ok(files)
}

/// The batches of a target in those files whose windows begin in a time, as they are read; without those before a
/// rollout's start and after its end, which nobody judges.
pub(crate) fn parsed(
    files: Vec<PathBuf>,
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
        for file in files {
            let text = match std::fs::read(&file) {
                Ok(text) => text,
                Err(cause) => {
                    let _ = send.send(Err(error(Exit::Failed, format!("{}: {cause}", file.display()))));
                    return;
                }
            };
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            for (number, line) in (1..).zip(lines) {
                let batch = match serde_json::from_slice::<Batch>(line) {
                    Ok(batch) if wanted(&batch) => Ok(batch),
                    Ok(_) => continue,
                    Err(cause) => Err(error(
                        Exit::Usage,
                        format!("{}, line {number}: not a batch: {cause}", file.display()),
                    )),
                };
                let stop = batch.is_err();
                if send.send(batch).is_err() || stop {
                    return; // nobody listens any more
                }
            }
        }
    });
    batches
}
