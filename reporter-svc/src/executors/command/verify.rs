//! Reads back which phase is served: a command whose trimmed output is the phase. Only then does a move
//! count as done.

use service_kit::outbox::Outcome;
use shared_types::PhaseId;
use tokio_util::sync::CancellationToken;

use super::report::{Ending, Report};
use super::run::{Command, run};
use crate::executors::ReadBack;

/// What the read-back said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    Confirmed,
    /// It answered, with something else.
    Differs {
        said: String,
    },
    /// It could not be asked.
    Unreadable(Report),
}

/// Runs the verify command, with its own limit; its stdout must be the phase, its exit status 0.
pub async fn verify(command: &Command, phase: &PhaseId, stop: &CancellationToken) -> Verification {
    let report = run(command, stop).await;
    if !report.succeeded() {
        return Verification::Unreadable(report);
    }
    match report.stdout.trim() {
        said if said == phase.as_str() => Verification::Confirmed,
        said => Verification::Differs { said: said.chars().take(200).collect() },
    }
}

impl Verification {
    /// What it means for the move to `phase`.
    ///
    /// # Errors
    /// It could not be asked.
    pub fn read_back(&self, phase: &PhaseId) -> Result<ReadBack, Outcome> {
        match self {
            Self::Confirmed => Ok(ReadBack { served: phase.to_string(), as_asked: true }),
            Self::Differs { said } => Ok(ReadBack { served: said.clone(), as_asked: false }),
            Self::Unreadable(report) if report.ending == Ending::Cancelled => Err(report.outcome()),
            Self::Unreadable(report) => Err(Outcome::Failed {
                reason: format!("the phase could not be read back: {}", report.summary()),
            }),
        }
    }
}
