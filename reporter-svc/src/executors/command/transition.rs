//! The command as an executor: the planned vector, then the one that reads back.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use service_kit::outbox::Outcome;
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::report::{Ending, Report};
use super::run::{Command, run};
use super::verify::verify;
use crate::executors::{Executor, ReadBack};
use domain::effects::RunTransition;
use domain::executors::Report as Moved;
use domain::executors::command::{self, Started};

/// How much output stands in a finished command's report, and in a failed one's reason.
const REPORTED_BYTES: usize = 8 * 1024;
const REASON_BYTES: usize = 1500;

/// Runs commands on this machine. Besides the inherited environment a command is told what it is for:
/// `PHASEGATE_TRANSITION` (an id, the same however often it is run), `PHASEGATE_TARGET`, `PHASEGATE_KIND`
/// (`rollback`, `promote`), `PHASEGATE_FROM`, `PHASEGATE_TO` and, where there is one, `PHASEGATE_INCIDENT`.
#[derive(Debug, Clone)]
pub struct CommandExecutor {
    directory: PathBuf,
    environment: Environment,
    stop: CancellationToken,
}

impl CommandExecutor {
    /// Commands run in `directory`. When `stop` is cancelled they are ended, with an unknown outcome, and
    /// are run again by the next service that claims them.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, environment: Environment, stop: CancellationToken) -> Self {
        Self { directory: directory.into(), environment, stop }
    }

    fn command(&self, argv: &[String], transition: &RunTransition) -> Command {
        let environment = self
            .environment
            .clone()
            .with("PHASEGATE_TRANSITION", transition.transition.to_string())
            .with("PHASEGATE_TARGET", transition.target.as_str())
            .with("PHASEGATE_KIND", transition.kind.as_str())
            .with("PHASEGATE_FROM", transition.from.as_str())
            .with("PHASEGATE_TO", transition.to.as_str());
        let environment = match &transition.incident {
            Some(incident) => environment.with("PHASEGATE_INCIDENT", incident.as_str()),
            None => environment,
        };
        let limit = Duration::from_millis(transition.timeout_ms);
        Command::new(argv.to_vec(), &self.directory, environment, limit)
    }
}

#[async_trait]
impl Executor for CommandExecutor {
    fn name(&self) -> &'static str {
        command::NAME
    }

    async fn run(&self, it: &RunTransition) -> Result<Moved, Outcome> {
        let report = run(&self.command(&started(it)?.command, it), &self.stop).await;
        if !report.succeeded() {
            return Err(report.outcome());
        }
        let detail = tail(&report.output, REPORTED_BYTES).to_owned();
        Ok(Moved { detail, duration_ms: report.took_ms, ..command::exited(0) })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let verify_with = started(it)?.verify.unwrap_or_default();
        verify(&self.command(&verify_with, it), &it.to, &self.stop).await.read_back(&it.to)
    }
}

fn started(it: &RunTransition) -> Result<Started, Outcome> {
    Started::of(&it.request)
        .map_err(|error| Outcome::Never { reason: format!("the planned command cannot be read: {error}") })
}

impl Report {
    /// For the outbox (RB-4): a failure with the tail of the output; a command that was ended by our own
    /// shutdown is run again, not counted as failed.
    pub(super) fn outcome(&self) -> Outcome {
        let said = tail(self.output.trim_end(), REASON_BYTES);
        let reason =
            if said.is_empty() { self.ending.to_string() } else { format!("{}\n{said}", self.ending) };
        match &self.ending {
            Ending::Exited { status: 0 } => Outcome::Done(json!(self)),
            Ending::Cancelled => Outcome::Unknown { reason },
            Ending::Exited { .. }
            | Ending::Signalled { .. }
            | Ending::TimedOut { .. }
            | Ending::NotStarted { .. } => Outcome::Failed { reason },
        }
    }
}

/// The last `bytes` bytes at most, from the start of a character.
fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}
