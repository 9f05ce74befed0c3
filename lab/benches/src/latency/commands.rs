//! What moves a target in the benches: a rollback's command is noted, or started by the product's executor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::effects::RunTransition;
use domain::executors::{Report, command};
use reporter_svc::executors::command::{CommandExecutor, Environment};
use reporter_svc::executors::{Executor, ReadBack, Turn};
use service_kit::outbox::Outcome;
use service_kit::supervisor::Supervisor;
use shared_types::TargetName;
use shared_types::rollout::TransitionKind;
use tokio_util::sync::CancellationToken;

use super::marks::{Mark, Marks};

/// How a rollback's command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Start {
    /// Its start is noted, and it has succeeded.
    Noted,
    /// A process is started by the product's executor; it says when it began.
    Spawned,
}

/// Runs the commands, and marks when a rollback's began.
pub(crate) struct Commands {
    marks: Arc<Marks>,
    how: Mutex<Start>,
    started: tokio::sync::Notify,
    /// Rollbacks whose command began, not taken yet.
    log: Mutex<Vec<(TargetName, Instant)>>,
    real: CommandExecutor,
}

impl Commands {
    pub(super) fn new(marks: Arc<Marks>, stop: CancellationToken) -> Self {
        let real =
            CommandExecutor::new(".", Environment::of_this_process(&[]), Supervisor::of_this_process(), stop);
        Self {
            marks,
            how: Mutex::new(Start::Noted),
            started: tokio::sync::Notify::new(),
            log: Mutex::default(),
            real,
        }
    }

    pub(crate) fn start_by(&self, how: Start) {
        *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Which rollbacks' commands began since it was asked last, and when.
    pub(crate) fn take_started(&self) -> Vec<(TargetName, Instant)> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self, target: &TargetName, at: Instant) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push((target.clone(), at));
    }

    /// Until the next rollback's command was begun.
    pub(crate) async fn started(&self) {
        self.started.notified().await;
    }

    /// The process prints its own time, which is compared with ours: the moment it really ran.
    async fn spawn(&self, transition: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        let mut transition = transition.clone();
        transition.request = command::request(&command::Started {
            command: ["date", "+%s%N"].map(str::to_owned).to_vec(),
            ..command::Started::default()
        });
        let report = self.real.run(&transition, turn).await?;
        let printed = report.detail.trim().parse().ok();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ago = now.saturating_sub(Duration::from_nanos(printed.unwrap_or_default()));
        let began = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
        self.marks.set_at(Mark::CommandStarted, began);
        self.log(&transition.target, began);
        Ok(report)
    }
}

#[async_trait]
impl Executor for Commands {
    fn name(&self) -> &'static str {
        command::NAME
    }

    async fn run(&self, transition: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        if transition.kind == TransitionKind::Rollback {
            let how = *self.how.lock().unwrap_or_else(PoisonError::into_inner);
            if how == Start::Spawned {
                let outcome = self.spawn(transition, turn).await;
                self.started.notify_one();
                return outcome;
            }
            self.marks.set(Mark::CommandStarted);
            self.log(&transition.target, Instant::now());
            self.started.notify_one();
        }
        Ok(Report { verified: Some(transition.to.to_string()), ..command::exited(0) })
    }

    async fn read_back(&self, transition: &RunTransition) -> Result<ReadBack, Outcome> {
        Ok(ReadBack { served: transition.to.to_string(), as_asked: true })
    }
}
