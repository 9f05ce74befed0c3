//! How a command ended. Pure.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::outbox::Outcome;
use service_kit::supervisor::{Ended, How, Why};

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
    /// It outlived its limit and was ended, with all it had started.
    TimedOut {
        limit_ms: u128,
    },
    /// The right to run it could not be held, and it was ended, with all it had started (RB-10).
    Superseded,
    /// The service is shutting down; it was ended, with all it had started.
    Cancelled,
    /// Its supervisor was ended from outside.
    Unwatched,
    NotStarted {
        reason: String,
    },
}

impl Ending {
    /// As its supervisor says; `over`: its limit, where that is over.
    pub(super) fn of(ended: Ended, over: Option<u128>) -> Self {
        match (ended.why, over, ended.how) {
            (Why::Itself, _, How::Exited(status)) => Self::Exited { status },
            (Why::Itself, _, How::Signalled(signal)) => Self::Signalled { signal },
            (Why::Itself, _, How::NotStarted(reason)) => Self::NotStarted { reason },
            (Why::Time, Some(limit_ms), _) => Self::TimedOut { limit_ms },
            (Why::Time, None, _) => Self::Superseded,
            (Why::Told, _, _) => Self::Cancelled,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { status } => write!(f, "exit status {status}"),
            Self::Signalled { signal } => write!(f, "ended by signal {signal}"),
            Self::TimedOut { limit_ms } => write!(f, "ended after its limit of {limit_ms} ms"),
            Self::Superseded => f.write_str("ended because the lease of its attempt could not be held"),
            Self::Cancelled => f.write_str("ended by the shutdown of the service"),
            Self::Unwatched => f.write_str("its supervisor is gone, and how it ended is unknown"),
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
    /// For the outbox (RB-4): a failure with the tail of the output; a command that was ended for reasons of ours
    /// is run again, not counted as failed.
    pub(super) fn outcome(&self) -> Outcome {
        let said = tail(self.output.trim_end(), REASON_BYTES);
        let reason =
            if said.is_empty() { self.ending.to_string() } else { format!("{}\n{said}", self.ending) };
        match &self.ending {
            Ending::Exited { status: 0 } => Outcome::Done(json!(self)),
            Ending::Superseded | Ending::Cancelled | Ending::Unwatched => Outcome::Unknown { reason },
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
