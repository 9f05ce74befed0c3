//! Reads back which phase is served: a command whose trimmed output is the phase, or the
//! share of users where the flag system knows no phases. Only then does a move
//! count as done.

use service_kit::outbox::Outcome;
use tokio_util::sync::CancellationToken;

use super::report::{Ending, Report};
use super::run::{Command, run};
use crate::executors::ReadBack;

/// What the read-back said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    Confirmed {
        said: String,
    },
    /// It answered, with something else.
    Differs {
        said: String,
    },
    /// It could not be asked.
    Unreadable(Report),
}

/// Runs the verify command, with its own limit; its stdout must say what is to be served, its exit status be 0.
pub async fn verify(
    command: &Command,
    is_served: impl Fn(&str) -> bool,
    stop: &CancellationToken,
) -> Verification {
    let report = run(command, stop).await;
    if !report.succeeded() {
        return Verification::Unreadable(report);
    }
    let said = report.stdout.trim();
    let is_as_asked = is_served(said);
    let said = said.chars().take(200).collect();
    if is_as_asked { Verification::Confirmed { said } } else { Verification::Differs { said } }
}

impl Verification {
    /// What it means for the move.
    ///
    /// # Errors
    /// It could not be asked.
    pub fn read_back(&self) -> Result<ReadBack, Outcome> {
        match self {
            Self::Confirmed { said } => Ok(ReadBack { served: said.clone(), as_asked: true }),
            Self::Differs { said } => Ok(ReadBack { served: said.clone(), as_asked: false }),
            Self::Unreadable(report) if report.ending == Ending::Cancelled => Err(report.outcome()),
            Self::Unreadable(report) => Err(Outcome::Failed {
                reason: format!("the phase could not be read back: {}", report.summary()),
            }),
        }
    }
}
