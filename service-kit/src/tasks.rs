//! The long-lived tasks of a service, in one place: one that ends before it was told to, or panics, ends the service (OP-1). Half a
//! service looks alive and is worse than none.

use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use shared_types::one_line;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::http::CheckState;

/// The tasks of one service.
#[derive(Debug)]
pub struct Tasks {
    shutdown: CancellationToken,
    standing: Standing,
}

/// Whether all tasks live.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<OnceLock<Broken>>);

/// How the first task broke.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{task} {how}")]
pub struct Broken {
    task: Cow<'static, str>,
    how: String,
}

impl Standing {
    /// For `/readyz`.
    #[must_use]
    pub fn state(&self) -> CheckState {
        self.0.get().map_or(CheckState::Ok, |broken| CheckState::Failing(broken.to_string()))
    }
}

/// A task that was started. Awaited it is over; dropped it goes on.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Waits for its end; how it ended, [`Tasks`] knows.
    pub async fn ended(self) {
        self.0.await.ok();
    }

    /// Ends it where it waits.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl Tasks {
    /// Of a service that `shutdown` ends.
    #[must_use]
    pub fn of(shutdown: &CancellationToken) -> Self {
        Self { shutdown: shutdown.clone(), standing: Standing::default() }
    }

    /// Starts a task that lives until `stop`. `name` says what it does, for the line that its death is told with.
    pub fn start(
        &self,
        name: impl Into<Cow<'static, str>>,
        stop: &CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Task {
        self.start_fallible(name, stop, work.map(Ok::<(), Infallible>))
    }

    /// As [`Self::start`], of a task that may find that the service cannot go on.
    pub fn start_fallible<E: std::error::Error + Send + Sync + 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        stop: &CancellationToken,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Task {
        let stop = stop.clone();
        self.watch(name.into(), move || stop.is_cancelled(), work)
    }

    /// Starts a task that has an end of its own, and must not panic before.
    pub fn start_once(
        &self,
        name: impl Into<Cow<'static, str>>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Task {
        self.watch(name.into(), || true, work.map(Ok::<(), Infallible>))
    }

    fn watch<E: std::error::Error + Send + Sync + 'static>(
        &self,
        name: Cow<'static, str>,
        may_end: impl Fn() -> bool + Send + 'static,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Task {
        let (shutdown, standing) = (self.shutdown.clone(), self.standing.clone());
        let work = async move {
            let how = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) if may_end() => return,
                Ok(Ok(())) => "ended by itself".to_owned(),
                Ok(Err(error)) => format!("cannot go on: {:#}", anyhow::Error::new(error)),
                Err(panic) => format!("panicked: {}", words(&*panic)),
            };
            // In one line, whatever it quotes.
            let how = one_line(&how);
            // The first one is the cause; the others may only follow from it.
            standing.0.set(Broken { task: name, how }).ok();
            shutdown.cancel();
        };
        Task(tokio::spawn(work.in_current_span()))
    }

    /// Of those who started tasks here.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// To be asked when all have ended.
    ///
    /// # Errors
    /// What ended the service, where that was a task.
    pub fn outcome(&self) -> Result<(), Broken> {
        self.standing.0.get().cloned().map_or(Ok(()), Err)
    }
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn line_of(tasks: &Tasks, task: Task) -> String {
        task.ended().await;
        tasks.outcome().unwrap_err().to_string()
    }

    /// OP-1: a task that ends or panics ends the service, and one line says which.
    #[tokio::test]
    async fn a_task_that_ends_or_panics_ends_the_service() {
        let stop = CancellationToken::new();
        let started = || {
            let shutdown = CancellationToken::new();
            (Tasks::of(&shutdown), shutdown)
        };
        let (tasks, shutdown) = started();
        let panics = tasks.start("the watch", &stop, async { panic!("at {}", 3) });
        assert_eq!(line_of(&tasks, panics).await, "the watch panicked: at 3");
        assert!(shutdown.is_cancelled());
        assert_eq!(tasks.standing().state(), CheckState::Failing("the watch panicked: at 3".into()));

        let (tasks, shutdown) = started();
        let ends = tasks.start("the watch", &stop, async {});
        assert_eq!(line_of(&tasks, ends).await, "the watch ended by itself");
        assert!(shutdown.is_cancelled());

        let (tasks, shutdown) = started();
        let failing = async { Err(std::io::Error::other("no disk")) };
        let fails = tasks.start_fallible("the watch", &stop, failing);
        assert_eq!(line_of(&tasks, fails).await, "the watch cannot go on: no disk");
        assert!(shutdown.is_cancelled());

        let (tasks, shutdown) = started();
        tasks.start_once("the question", async {}).ended().await;
        assert!(tasks.outcome().is_ok() && !shutdown.is_cancelled());
        let panics = tasks.start_once("the question", async { panic!("no") });
        assert_eq!(line_of(&tasks, panics).await, "the question panicked: no");
    }

    #[tokio::test]
    async fn a_task_that_was_told_to_end_ends_nothing_else() {
        let (stop, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let tasks = Tasks::of(&shutdown);
        let asked = stop.clone();
        let task = tasks.start("the watch", &stop, async move { asked.cancelled().await });
        stop.cancel();
        task.ended().await;
        assert!(tasks.outcome().is_ok() && !shutdown.is_cancelled());
        assert_eq!(tasks.standing().state(), CheckState::Ok);
    }
}
