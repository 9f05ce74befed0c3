//! The loop around [`Worker::turn`], and the handle through which requests reach it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::kinds::Chosen;
use domain::sources::SourceSettings;
use service_kit::db::DbError;
use service_kit::seldom;
use shared_types::{Actor, Directive, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{ReadWith, SourceAils, Turn, Worker};
use events::EventSpecs;

const SHORTEST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Commands waiting for a worker.
const COMMANDS_MAX: usize = 64;

/// What a request asks of a worker.
#[derive(Debug)]
pub enum Command {
    Direct(Box<Directive>, oneshot::Sender<Result<Directive, DbError>>),
    Pause(u64, Actor, oneshot::Sender<Result<Timestamp, DbError>>),
}

/// How requests reach a worker that runs.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    commands: mpsc::Sender<Command>,
    read_with: watch::Receiver<ReadWith>,
    source_ails: Arc<Mutex<SourceAils>>,
}

/// The worker is stopping.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the collector is stopping")]
pub struct Stopped;

impl WorkerHandle {
    /// Takes over a directive; says which is in force.
    ///
    /// # Errors
    /// [`Stopped`], or inside: the store's.
    pub async fn direct(&self, directive: Directive) -> Result<Result<Directive, DbError>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Direct(Box::new(directive), reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Pauses, as `actor` asks; says until when.
    ///
    /// # Errors
    /// [`Stopped`], or inside: the store's.
    pub async fn pause(&self, seconds: u64, actor: Actor) -> Result<Result<Timestamp, DbError>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Pause(seconds, actor, reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// What events that are pushed now are to be read with.
    #[must_use]
    pub fn specs(&self) -> Arc<EventSpecs> {
        Arc::clone(&self.read_with.borrow().specs)
    }

    /// The sources of the versions that windows go by which are not closed: what is sent is read by each.
    #[must_use]
    pub fn sources(&self) -> Vec<Chosen<dyn SourceSettings>> {
        self.read_with.borrow().sources.clone()
    }

    /// What is wrong with the source, as of the last turn.
    #[must_use]
    pub fn source_ails(&self) -> SourceAils {
        self.source_ails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A worker with the requests that wait for it.
pub struct Attended {
    worker: Worker,
    inbox: mpsc::Receiver<Command>,
    source_ails: Arc<Mutex<SourceAils>>,
}

impl Worker {
    /// The worker with an inbox, and the handle that fills it.
    #[must_use]
    pub fn attended(self) -> (WorkerHandle, Attended) {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let source_ails = Arc::new(Mutex::new(SourceAils::default()));
        let read_with = self.read_with.subscribe();
        let handle = WorkerHandle { commands, read_with, source_ails: Arc::clone(&source_ails) };
        (handle, Attended { worker: self, inbox, source_ails })
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Direct(directive, reply) => {
                reply.send(self.direct(&directive).await).ok();
            }
            Command::Pause(seconds, actor, reply) => {
                reply.send(self.pause(seconds, &actor).await).ok();
            }
        }
    }
}

impl Attended {
    /// Waits for the next request and does what it asks for. Waits for ever once no handle is left.
    pub async fn attend(&mut self) {
        match self.inbox.recv().await {
            Some(command) => self.worker.obey(command).await,
            None => std::future::pending().await,
        }
    }

    /// Does what requests ask for, then one turn.
    ///
    /// # Errors
    /// The store's, as [`Worker::turn`].
    pub async fn step(&mut self) -> Result<Turn, DbError> {
        while let Ok(command) = self.inbox.try_recv() {
            self.worker.obey(command).await;
        }
        let turn = self.worker.turn().await?;
        let ails = self.worker.source_ails();
        *self.source_ails.lock().unwrap_or_else(PoisonError::into_inner) = ails;
        Ok(turn)
    }

    /// Runs until `shutdown`; what was accepted before is then committed. `wake` is rung by pushes.
    pub async fn run(mut self, wake: Arc<Notify>, shutdown: CancellationToken) {
        let mut backoff = SHORTEST_BACKOFF;
        loop {
            let pause = match self.step().await {
                Ok(turn) => {
                    backoff = SHORTEST_BACKOFF;
                    if turn.more { Duration::ZERO } else { self.worker.rest() }
                }
                Err(error) => {
                    seldom!(warn, "not stored; trying on", &error, target_name = %self.worker.target);
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    backoff
                }
            };
            if shutdown.is_cancelled() {
                return;
            }
            if pause.is_zero() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                // A last turn follows: it commits what was pushed meanwhile.
                () = shutdown.cancelled() => {}
                Some(command) = self.inbox.recv() => self.worker.obey(command).await,
                // Events of windows to come are to be read by what those windows go by.
                Ok(()) = self.worker.changes.changed() => self.worker.stale = true,
                () = wake.notified(), if backoff == SHORTEST_BACKOFF => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
