//! Why a call to another service failed.

use std::time::Duration;

use shared_types::Problem;

/// Why a call did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It answered with an error.
    #[error("{status}: {}", .problem.detail)]
    Refused { status: u16, problem: Box<Problem>, retry_after: Option<Duration> },
    /// It was never reached; nothing was done.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    /// No answer, or half of one: it may have been done.
    #[error("no answer from {url}: {reason}")]
    NoAnswer { url: String, reason: String },
    /// An answer that is not what was expected.
    #[error("the answer of {url} cannot be used: {reason}")]
    BadAnswer { url: String, reason: String },
}
