//! A flag file of flagd: the rule of one flag is set in place, and read back from the file (RB-9).
//!
//! The file is replaced as a whole (written beside, synced, renamed), so that whoever watches it reads the old one or the new
//! one. What was read is looked at once more before the rename: an edit in between is never lost, the move is tried again.
//! Beside the phase stands the number of the attempt (`fence`): one that comes late never overwrites a later one (RB-10).

mod text;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::effects::RunTransition;
use domain::executors::flagd::{NAME, Planned};
use domain::executors::{Report, Request};
use service_kit::files::Writing;
use service_kit::outbox::Outcome;

use super::{Executor, ReadBack, Turn};
use crate::kind::Kind;
use text::{Refused, Stamp};

/// The kind.
pub const KIND: Kind<dyn Executor> =
    Kind::plain(NAME, |_, with| Ok(Arc::new(FlagdExecutor::new(&with.directory))));

/// Sets flags in files of this machine.
#[derive(Debug, Clone)]
pub struct FlagdExecutor {
    directory: PathBuf,
}

impl FlagdExecutor {
    /// Relative paths start from `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn planned(&self, it: &RunTransition) -> Result<(PathBuf, Planned), Outcome> {
        let planned = Planned::of(&it.request).map_err(|error| Outcome::Never {
            reason: format!("the planned share cannot be read: {error}"),
        })?;
        Ok((self.directory.join(&planned.settings.file), planned))
    }
}

#[async_trait]
impl Executor for FlagdExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn obstacle(&self, planned: &Request) -> Option<String> {
        let file = Planned::of(planned).ok()?.settings.file;
        let found = self.directory.join(&file).is_file();
        (!found).then(|| format!("the flag file `{file}` is not found"))
    }

    async fn run(&self, it: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        let (file, planned) = self.planned(it)?;
        let stamp = Stamp { epoch: it.epoch + 1, transition: it.transition, fence: turn.fence };
        let (begun, lease) = (Instant::now(), turn.lease.clone());
        // The thread goes on where this is dropped, so it looks at the lease itself.
        let is_over = move || lease.term().give_up.is_over();
        let written = on_a_thread(move || set(&file, &planned, stamp, || {}, is_over)).await?;
        let summary = if written { "the flag file is written" } else { "the flag file says so already" };
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let facts = [("written".to_owned(), written.into())].into_iter().collect();
        let detail = it.request.words.clone();
        Ok(Report { summary: summary.to_owned(), detail, duration_ms, verified: None, facts })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let (file, planned) = self.planned(it)?;
        let to = it.to.to_string();
        on_a_thread(move || {
            let served = text::served(&read(&file)?, &planned.settings)?;
            let as_asked = served.is(&planned);
            Ok(ReadBack { served: if as_asked { to } else { served.to_string() }, as_asked })
        })
        .await
    }
}

/// Why a file was not set, or not read.
#[derive(Debug, thiserror::Error)]
enum FlagFileError {
    #[error("{}: {source}", file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("{}: {source}", file.display())]
    Text { file: PathBuf, source: std::string::FromUtf8Error },
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{} was changed by somebody else while it was written anew", file.display())]
    Changed { file: PathBuf },
    #[error("{} was not set: the time of the attempt is over", file.display())]
    TooLate { file: PathBuf },
}

/// What somebody else has moved is theirs to decide. All else is worth another attempt: a person mends the file, or the edit of
/// somebody else is over.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FlagFileError> + Send + 'static,
) -> Result<T, Outcome> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error @ FlagFileError::Refused(Refused::Moved(_)))) => {
            Err(Outcome::Never { reason: error.to_string() })
        }
        Ok(Err(error)) => Err(Outcome::Failed { reason: error.to_string() }),
        Err(error) => Err(Outcome::Unknown { reason: error.to_string() }),
    }
}

fn read(file: &Path) -> Result<String, FlagFileError> {
    let bytes = fs::read(file).map_err(|source| FlagFileError::Io { file: file.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|source| FlagFileError::Text { file: file.to_owned(), source })
}

/// Whether anything had to be written. `before_rename` is where a test lets other things happen; `is_over`: whether the attempt
/// may have no effect any more.
fn set(
    file: &Path,
    planned: &Planned,
    stamp: Stamp,
    before_rename: impl FnOnce(),
    is_over: impl FnOnce() -> bool,
) -> Result<bool, FlagFileError> {
    let failed = |source| FlagFileError::Io { file: file.to_owned(), source };
    // A link stays a link: what it leads to is replaced.
    let real = fs::canonicalize(file).map_err(failed)?;
    let before = read(&real)?;
    let after = text::set(&before, planned, stamp)?;
    if after == before {
        return Ok(false);
    }
    // The same name for the same move, so that nothing piles up.
    let mut writing = Writing::begin_as(&real, &stamp.transition.to_string()).map_err(failed)?;
    writing.write_all(after.as_bytes()).map_err(failed)?;
    before_rename();
    if read(&real)? != before {
        return Err(FlagFileError::Changed { file: file.to_owned() });
    }
    if is_over() {
        return Err(FlagFileError::TooLate { file: file.to_owned() });
    }
    writing.finish().map_err(failed)?;
    Ok(true)
}
