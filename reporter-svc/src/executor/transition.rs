//! The port through which the reporter runs its transitions: the command, then the read-back.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use service_kit::outbox::Outcome;
use tokio_util::sync::CancellationToken;

use super::command::{Command, run};
use super::environment::Environment;
use super::report::{Ending, Report};
use super::verify::verify;
use crate::ports::Executor;
use domain::effects::{CommandReport, RunTransition};

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
    async fn run(&self, transition: &RunTransition) -> Outcome {
        let report = run(&self.command(&transition.command, transition), &self.stop).await;
        if !report.succeeded() {
            return report.outcome();
        }
        let mut done = CommandReport {
            exit_status: Some(0),
            duration_ms: report.took_ms,
            output: tail(&report.output, REPORTED_BYTES).to_owned(),
            verified: None,
        };
        if let Some(read_back) = &transition.verify {
            let verification = verify(&self.command(read_back, transition), &transition.to, &self.stop).await;
            if let Some(objection) = verification.objection(&transition.to) {
                return objection;
            }
            done.verified = Some(transition.to.to_string());
        }
        Outcome::Done(json!(done))
    }
}

impl Report {
    /// For the outbox (RB-4): a failure with the tail of the output; a command that was ended by our own
    /// shutdown is run again, not counted as failed.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
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
