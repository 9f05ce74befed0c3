//! Why a line is not an event.

use crate::map::TimeFormat;

/// Counted as `malformed`, and shown with its line for the first 20 of a source (TE-2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("longer than 64 KiB")]
    TooLong,
    #[error("not UTF-8")]
    NotUtf8,
    #[error("not JSON of an event: {0}")]
    NotJson(String),
    #[error("`{field}` is missing")]
    MissingField { field: String },
    #[error("`{field}` is not {expected}")]
    WrongType { field: String, expected: &'static str },
    #[error("`{field}` stands there twice")]
    Twice { field: String },
    #[error("`ts` is not an RFC 3339 time from 1970 on")]
    BadTime,
    #[error("`{field}` is not a time in the format {format}, from 1970 on")]
    BadTimeAt { field: String, format: TimeFormat },
    #[error("not a line as {by} wraps it")]
    NotWrapped { by: &'static str },
    #[error("a piece of a line that was cut up: container runtimes do that to lines longer than 16 KiB")]
    CutUp,
    #[error("`ts` lies more than one window in the future")]
    Future,
    #[error("`{field}` is negative")]
    NegativeDuration { field: String },
    #[error("`{field}` is over 24 h")]
    DurationTooLong { field: String },
}

impl Reason {
    pub(super) fn missing(field: &str) -> Self {
        Self::MissingField { field: field.to_owned() }
    }

    pub(super) fn wrong_type(field: &str, expected: &'static str) -> Self {
        Self::WrongType { field: field.to_owned(), expected }
    }

    /// The reason without what differs from line to line, so that equal ones can be counted.
    #[must_use]
    pub fn sort(&self) -> String {
        match self {
            Self::NotJson(_) => "not JSON of an event".to_owned(),
            other => other.to_string(),
        }
    }

    /// The field that is wrong, if it is one.
    pub(super) fn field(&self) -> Option<&str> {
        match self {
            Self::MissingField { field }
            | Self::WrongType { field, .. }
            | Self::Twice { field }
            | Self::NegativeDuration { field }
            | Self::DurationTooLong { field }
            | Self::BadTimeAt { field, .. } => Some(field),
            Self::BadTime | Self::Future => Some("ts"),
            Self::TooLong | Self::NotUtf8 | Self::NotJson(_) | Self::NotWrapped { .. } | Self::CutUp => None,
        }
    }
}
