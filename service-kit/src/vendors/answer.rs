//! From a vendor's answer to an outcome, by a table. Pure.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::outbox::Outcome;

/// One row of a vendor's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub status: Status,
    pub code: Code,
    pub meaning: Meaning,
}

impl Row {
    /// Whatever the body says.
    pub const fn of_status(status: Status, meaning: Meaning) -> Self {
        Self { status, code: Code::Any, meaning }
    }
}

/// Which HTTP status a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Is(u16),
    /// The hundreds: `Class(5)` is 500–599.
    Class(u16),
}

/// Which code in the body a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body does not matter.
    Any,
    Is(&'static str),
    /// The body is what the vendor documents, with a code that no earlier row names.
    Other,
    /// The body is not what the vendor documents.
    Unreadable,
}

/// What an answer means for the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Done,
    /// Not now: `Retry-After` is obeyed; without one it is a failure, and the schedule decides.
    Patience,
    /// Nothing happened; the schedule decides.
    Failed,
    /// Nothing happened, and it may be a proxy that says so, or a right that comes back: tried along the schedule, and given up
    /// at its end (NO-7).
    Refused,
    /// It may have happened.
    Unknown,
    /// Nothing happened and nothing ever will.
    Never,
}

/// What came back, read to the end (up to a limit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Looks the answer up. An answer no row knows is unknown: nobody said that it did not happen.
#[must_use]
pub fn meaning(table: &[Row], status: u16, code: Option<&str>) -> Meaning {
    let matches = |row: &&Row| {
        let status_matches = match row.status {
            Status::Is(exactly) => status == exactly,
            Status::Class(hundreds) => status / 100 == hundreds,
        };
        let code_matches = match row.code {
            Code::Any => true,
            Code::Is(named) => code == Some(named),
            Code::Other => code.is_some(),
            Code::Unreadable => code.is_none(),
        };
        status_matches && code_matches
    };
    table.iter().find(matches).map_or(Meaning::Unknown, |row| row.meaning)
}

/// The outcome of an answer that means anything but done.
#[must_use]
pub fn outcome(meaning: Meaning, retry_after: Option<Duration>, reason: String) -> Outcome {
    match (meaning, retry_after) {
        (Meaning::Patience, Some(after)) => Outcome::Postponed { after, reason },
        (Meaning::Patience | Meaning::Failed, _) => Outcome::Failed { reason },
        (Meaning::Refused, _) => Outcome::Refused { reason },
        (Meaning::Never, _) => Outcome::Never { reason },
        (Meaning::Done | Meaning::Unknown, _) => Outcome::Unknown { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Row] = &[
        Row { status: Status::Is(200), code: Code::Is("ok"), meaning: Meaning::Done },
        Row { status: Status::Is(200), code: Code::Other, meaning: Meaning::Never },
        Row { status: Status::Class(5), code: Code::Any, meaning: Meaning::Failed },
    ];

    #[test]
    fn the_first_row_that_matches_holds() {
        assert_eq!(meaning(TABLE, 200, Some("ok")), Meaning::Done);
        assert_eq!(meaning(TABLE, 200, Some("no")), Meaning::Never);
        assert_eq!(meaning(TABLE, 599, None), Meaning::Failed);
    }

    #[test]
    fn an_answer_that_no_row_knows_is_unknown() {
        assert_eq!(meaning(TABLE, 200, None), Meaning::Unknown);
        assert_eq!(meaning(TABLE, 302, None), Meaning::Unknown);
    }

    #[test]
    fn patience_without_a_time_is_left_to_the_schedule() {
        let reason = || "429".to_owned();
        assert_eq!(outcome(Meaning::Patience, None, reason()), Outcome::Failed { reason: reason() });
        let after = Duration::from_secs(7);
        assert_eq!(
            outcome(Meaning::Patience, Some(after), reason()),
            Outcome::Postponed { after, reason: reason() }
        );
    }
}
