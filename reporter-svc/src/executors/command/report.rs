//! How a command ended. Pure.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::outbox::Outcome;

/// How much output stands in a finished command's report, and in a failed one's reason.
pub(super) const REPORTED_BYTES: usize = 8 * 1024;
const REASON_BYTES: usize = 1500;

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub ending: Ending,
    /// The last 64 KiB of stdout and stderr together.
    pub output: String,
    /// The last 64 KiB of stdout alone.
    #[serde(skip)]
    pub stdout: String,
    /// How much output came before what is kept.
    pub dropped_bytes: u64,
    pub took_ms: u64,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    Exited {
        status: i32,
    },
    /// By a signal that was not ours.
    Signalled {
        signal: i32,
    },
    /// It outlived its limit and was ended, with its children.
    TimedOut {
        limit_ms: u128,
    },
    /// The service is shutting down; it was ended, with its children.
    Cancelled,
    NotStarted {
        reason: String,
    },
}

impl Ending {
    /// Of a command that ended by itself.
    pub(super) fn of(status: Option<ExitStatus>) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match status.map(|status| (status.code(), status.signal())) {
            Some((Some(status), _)) => Self::Exited { status },
            Some((None, Some(signal))) => Self::Signalled { signal },
            Some((None, None)) | None => {
                Self::NotStarted { reason: "it was not possible to learn how it ended".to_owned() }
            }
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { status } => write!(f, "exit status {status}"),
            Self::Signalled { signal } => write!(f, "ended by signal {signal}"),
            Self::TimedOut { limit_ms } => write!(f, "ended after its limit of {limit_ms} ms"),
            Self::Cancelled => f.write_str("ended by the shutdown of the service"),
            Self::NotStarted { reason } => f.write_str(reason),
        }
    }
}

impl Report {
    pub(super) fn not_started(reason: String, took: Duration) -> Self {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let ending = Ending::NotStarted { reason };
        Self { ending, output: String::new(), stdout: String::new(), dropped_bytes: 0, took_ms }
    }

    /// Exit status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ending == Ending::Exited { status: 0 }
    }

    /// One line: how it ended, and its last words.
    #[must_use]
    pub fn summary(&self) -> String {
        let last = self.output.lines().rev().map(str::trim).find(|line| !line.is_empty());
        match last {
            Some(last) => format!("{}: {}", self.ending, last.chars().take(200).collect::<String>()),
            None => self.ending.to_string(),
        }
    }
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
pub(super) fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}
