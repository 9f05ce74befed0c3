//! That a store is not younger than what it belongs to (OP-3).
//!
//! The database and a file in each data directory name the same store and how far it has come; the file is written after what
//! it says is committed. A database that is behind its file is an older copy, or lacks a part: the start is refused, since all
//! that was told since would be told anew. A person puts the newest copy back, or accepts this one ([`accept`]).

mod file;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shared_types::Timestamp;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ServiceName;
use crate::clock::Clock;
use crate::db::{Db, DbError, Engine};
use crate::seldom;
use crate::tasks::{Task, Tasks};

pub use file::MarkFile;
pub use store::{Acceptance, StoredMark};

/// The file says at most so much less than the store has come to.
pub const EVERY: Duration = Duration::from_secs(1);

/// Why a store is not taken for the one that a data directory belongs to.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    #[error("the store's mark in the database")]
    Database(#[from] DbError),
    #[error("the store's mark {}: {reason}", .path.display())]
    File { path: PathBuf, reason: String },
    /// `how`: in which way.
    #[error(
        "the {service}'s store is younger than its data directory: {how} ({}). Was an older copy put in its place, or a part \
         of it lost (a copy of a SQLite file needs its -wal)? Stop the service and put the newest copy back, or go on from \
         this one with `phasegate restore --accept --reason \"…\"` (docs/backup.md)", .path.display()
    )]
    Younger { service: ServiceName, path: PathBuf, how: String },
    /// It went back under a service that runs.
    #[error(
        "the {service}'s store went back from {from} to {to}: it was restored while the service ran (docs/backup.md)"
    )]
    WentBack { service: ServiceName, from: u64, to: u64 },
}

/// The mark of a store that this process has open.
#[derive(Debug)]
pub struct Mark {
    service: ServiceName,
    db: Db,
    /// None: there is no place for it. With PostgreSQL a replica may keep nothing itself; neighbours are the witnesses then.
    path: Option<PathBuf>,
    /// What the file says, and how many commits there were by then.
    written: Mutex<(StoredMark, u64)>,
}

/// Where the mark of a service's store stands.
#[must_use]
pub fn path(data_dir: &Path, service: ServiceName) -> PathBuf {
    data_dir.join(format!("{service}.mark.json"))
}

impl Mark {
    /// Holds the store against the mark in the data directory; both begin here where there is none.
    ///
    /// # Errors
    /// [`MarkError::Younger`], in one line for a person. The database's, the file system's.
    pub async fn open(
        db: &Db,
        data_dir: &Path,
        service: ServiceName,
        now: Timestamp,
    ) -> Result<Self, MarkError> {
        let path = path(data_dir, service);
        let file = file::read(&path)?;
        let stored = match (store::read(db).await?, &file) {
            (None, Some(_)) => None,
            (None, None) => Some(store::begin(db, Uuid::now_v7(), now).await?),
            (stored, _) => stored,
        };
        if let Some(file) = &file
            && let Some(how) = younger(stored.as_ref(), file)
        {
            return Err(MarkError::Younger { service, path, how });
        }
        let Some(stored) = stored else {
            return Err(MarkError::File { path, reason: "gone while it was read".to_owned() });
        };
        let path = match file::write(&path, &MarkFile::of(&stored, now)) {
            Ok(()) => Some(path),
            Err(error) if db.engine() == Engine::Postgres => {
                tracing::warn!(%service, "no mark is kept beside the store, so an older one is only seen by neighbours: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self { service, db: db.clone(), path, written: Mutex::new((stored, db.commits())) })
    }

    /// Notes how far the store has come, if anything was stored since it was noted last.
    ///
    /// # Errors
    /// [`MarkError::WentBack`]; it must not be gone on. The database's, the file system's: noted later.
    pub async fn advance(&self, now: Timestamp) -> Result<(), MarkError> {
        let mut written = self.written.lock().await;
        if self.db.commits() == written.1 {
            return Ok(());
        }
        let (from, service) = (written.0.position, self.service);
        let Some(stored) = store::advance(&self.db).await? else {
            return Err(MarkError::WentBack { service, from, to: 0 });
        };
        if stored.instance != written.0.instance || stored.standing() <= written.0.standing() {
            return Err(MarkError::WentBack { service, from, to: stored.position });
        }
        // Its own commit is none that it has to note.
        *written = (stored, self.db.commits());
        self.path.as_deref().map_or(Ok(()), |path| file::write(path, &MarkFile::of(&written.0, now)))
    }

    /// Starts the task that notes it, until [`Marking::end`].
    #[must_use]
    pub fn start(self: &Arc<Self>, tasks: &Tasks, clock: &Arc<dyn Clock>) -> Marking {
        let (mark, clock, stop) = (Arc::clone(self), Arc::clone(clock), CancellationToken::new());
        let stopped = stop.clone();
        let noting = async move { mark.run(clock.as_ref(), stopped).await };
        Marking { task: tasks.start_fallible("the store's mark", &stop, noting), stop }
    }

    /// Notes it until `stop`, and then once more.
    ///
    /// # Errors
    /// [`MarkError::WentBack`].
    pub async fn run(&self, clock: &dyn Clock, stop: CancellationToken) -> Result<(), MarkError> {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            match self.db.answered(self.advance(clock.now())).await {
                Err(gone @ MarkError::WentBack { .. }) => return Err(gone),
                Err(error) => seldom!(warn, "how far the store has come was not noted; trying on", &error),
                Ok(()) => {}
            }
            if stopped {
                return Ok(());
            }
        }
    }

    /// An acceptance that nothing has followed from yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn accepted(&self) -> Result<Option<Acceptance>, DbError> {
        store::pending(&self.db).await
    }

    /// Goes on from an accepted store, where nothing else follows from that.
    ///
    /// # Errors
    /// The database's.
    pub async fn go_on(&self, now: Timestamp) -> Result<(), DbError> {
        let Some(acceptance) = self.accepted().await? else { return Ok(()) };
        let Acceptance { by, reason, .. } = &acceptance;
        tracing::warn!(service = %self.service, by, reason, "a restored store is gone on from");
        self.take_over(&acceptance, now).await
    }

    /// What follows from an acceptance is done.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_over(&self, acceptance: &Acceptance, now: Timestamp) -> Result<(), DbError> {
        store::take_over(&self.db, acceptance, now).await
    }
}

/// The task that notes how far a store has come.
#[derive(Debug)]
pub struct Marking {
    task: Task,
    stop: CancellationToken,
}

impl Marking {
    /// To be called when nothing is stored any more: it is noted once more.
    pub async fn end(self) {
        self.stop.cancel();
        self.task.ended().await;
    }
}

/// In which way a store is younger than its file says.
fn younger(stored: Option<&StoredMark>, file: &MarkFile) -> Option<String> {
    let noted = format!("it had come to {} at {}", file.position, file.noted_at);
    match stored {
        None => Some(format!("{noted}, and the store is empty")),
        Some(it) if it.instance != file.instance => {
            Some(format!("{noted} as {}, and the store is another one, {}", file.instance, it.instance))
        }
        Some(it) if it.standing() < file.standing() => {
            Some(format!("{noted}, and the store is behind, at {}", it.position))
        }
        Some(_) => None,
    }
}

/// How the store of a service stands to the mark in a data directory.
///
/// # Errors
/// The database's, the file system's.
pub async fn look(
    db: &Db,
    data_dir: &Path,
    service: ServiceName,
) -> Result<(Option<StoredMark>, Option<String>), MarkError> {
    let file = file::read(&path(data_dir, service))?;
    let stored = store::read(db).await?;
    let how = file.as_ref().and_then(|file| younger(stored.as_ref(), file));
    Ok((stored, how))
}

/// A person goes on from a store as it is: it is the one that the data directory belongs to from now on, and what the service
/// has to do about it stands there for its next start. The service must not run on SQLite meanwhile.
///
/// # Errors
/// The database's, the file system's.
pub async fn accept(
    db: &Db,
    data_dir: &Path,
    service: ServiceName,
    acceptance: &Acceptance,
) -> Result<StoredMark, MarkError> {
    let path = path(data_dir, service);
    let file = file::read(&path)?;
    let stored = match store::read(db).await? {
        Some(stored) => stored,
        None => store::begin(db, Uuid::now_v7(), acceptance.at).await?,
    };
    let accepted = StoredMark {
        instance: file.as_ref().map_or(stored.instance, |file| file.instance),
        created_at: stored.created_at,
        generation: file.as_ref().map_or(0, |it| it.generation).max(stored.generation) + 1,
        position: file.as_ref().map_or(0, |it| it.position).max(stored.position),
    };
    store::accept(db, &accepted, acceptance).await?;
    file::write(&path, &MarkFile::of(&accepted, acceptance.at))?;
    Ok(accepted)
}
