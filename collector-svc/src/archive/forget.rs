//! Files whose time has passed go, as the rows of their batches do.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use service_kit::clock::Clock;
use service_kit::rules::PolicyVersions;
use service_kit::seldom;
use shared_types::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Named;

const EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The audit log's own, which the reporter keeps.
const AUDIT: &str = "audit";

/// Forgets files for as long as the policy keeps batches, again and again until `stop`.
pub async fn keep_for(
    data_dir: PathBuf,
    versions: PolicyVersions,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        if let Some(kept) = versions.current().policy.retention.batches {
            let (before, stop, data_dir) = (clock.now().minus(kept), stop.clone(), data_dir.clone());
            let forgetting =
                tokio::task::spawn_blocking(move || forget_files(&data_dir, before, &stop)).await;
            if let Err(error) = forgetting.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                seldom!(warn, "files of the archive past their time were not deleted; trying on", &error);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Deletes the files all of whose windows began before, of every target below `logs`; how many went. What is not named as
/// files of the archive are stays.
///
/// # Errors
/// The file system's, of the first that could not be read or deleted; the others went all the same.
pub fn forget_files(data_dir: &Path, before: Timestamp, stop: &CancellationToken) -> io::Result<u64> {
    let (mut gone, mut failed) = (0, Ok(()));
    for target in entries(&data_dir.join("logs"))? {
        if target.file_name() == AUDIT || !target.file_type()?.is_dir() {
            continue;
        }
        for file in entries(&target.path())? {
            if stop.is_cancelled() {
                return Ok(gone);
            }
            let is_past = match Named::of(&file.path()) {
                Some(Named::Day(day)) => day.plus(DAY) <= before,
                Some(Named::Window(start)) => start < before,
                None => false,
            };
            if is_past {
                match fs::remove_file(file.path()) {
                    Ok(()) => gone += 1,
                    // Another replica has the same directory.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => failed = failed.and(Err(error)),
                }
            }
        }
    }
    failed.map(|()| gone)
}

/// What stands in a directory; nothing where there is none.
fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            entries(directory).unwrap().iter().map(|it| it.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// CO-3: 38 million files of a thousand targets were never deleted.
    #[test]
    fn files_of_both_names_go_when_their_time_has_passed_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        let files = [
            "autosave/2026-11-20.jsonl",
            "autosave/2026-11-21.jsonl",
            "autosave/2026-11-22.jsonl",
            "autosave/20261120T101500Z.jsonl",
            "autosave/20261121T114500Z.jsonl",
            "autosave/20261121T120000Z.jsonl",
            "autosave/notes.txt",
            "audit/2026-11-20.jsonl",
            "other/2026-11-20.jsonl",
        ];
        for file in files {
            fs::create_dir_all(logs.join(file).parent().unwrap()).unwrap();
            fs::write(logs.join(file), "{}\n").unwrap();
        }
        let before = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let go = CancellationToken::new();
        assert_eq!(forget_files(directory.path(), before, &go).unwrap(), 4);
        let kept = ["2026-11-21.jsonl", "2026-11-22.jsonl", "20261121T120000Z.jsonl", "notes.txt"];
        assert_eq!(names(&logs.join("autosave")), kept);
        assert_eq!((names(&logs.join("audit")).len(), names(&logs.join("other")).len()), (1, 0));
        assert_eq!(forget_files(&directory.path().join("nowhere"), before, &go).unwrap(), 0);
    }
}
