//! Why a line is not an event.

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
}
