//! The table from a neighbour's answer to what the outbox records.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use shared_types::Timestamp;

use super::error::ClientError;
use crate::outbox::Outcome;

/// The longest patience a receiver is granted.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// What a status means for a delivery (**the** table; 2xx is done).
///
/// | status | outcome |
/// | --- | --- |
/// | 429, 503 with `Retry-After` | postponed for that long, at most an hour; not a failure |
/// | 429, 503 without | failed |
/// | 401, 403, 407 | failed: an operator's mistake that will be mended; the message is good |
/// | 408, 421, 425 | failed |
/// | other 4xx, 3xx | never |
/// | 5xx | failed |
#[must_use]
pub fn outcome_of_status(status: StatusCode, retry_after: Option<Duration>, reason: String) -> Outcome {
    match (status.as_u16(), retry_after) {
        (429 | 503, Some(after)) => Outcome::Postponed { after: after.min(PATIENCE_MAX), reason },
        (401 | 403 | 407 | 408 | 421 | 425 | 429, _) | (500.., _) => Outcome::Failed { reason },
        _ => Outcome::Never { reason },
    }
}

pub(super) fn outcome_of_error(error: &ClientError) -> Outcome {
    let reason = error.to_string();
    match error {
        ClientError::Unreachable { .. } => Outcome::Failed { reason },
        ClientError::NoAnswer { .. } | ClientError::BadAnswer { .. } => Outcome::Unknown { reason },
        ClientError::Refused { .. } => Outcome::Never { reason },
    }
}

/// `Retry-After` in seconds, or as a date, which is counted from the answer's own `Date`.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let sent = date(headers)?;
    Duration::try_from(moment(text)?.duration_since(sent)).ok()
}

/// When an answer was sent, as it says itself.
pub(super) fn sent_at(headers: &HeaderMap) -> Option<Timestamp> {
    Some(Timestamp::from_millis(date(headers)?.as_millisecond()))
}

fn date(headers: &HeaderMap) -> Option<jiff::Timestamp> {
    moment(headers.get(DATE)?.to_str().ok()?)
}

fn moment(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}
