//! What clients of vendors are made from, whichever service they belong to. Each stands in the folder of its kind.
//!
//! A client holds what its vendor promises and nothing else: the request, and one table from the
//! answer to the outbox's outcome (done, retry after, never, unknown) with the link to the page it was read
//! from. It makes one attempt, never sleeps, never retries by itself, and never lets a secret into an
//! outcome, an error or a log line; the outbox does the rest.

pub mod answer;
pub mod http;
pub mod secrets;
pub mod signature;

pub use answer::{Code, Meaning, Row, Status};

/// What one vendor promises.
pub trait Vendor {
    /// For people and metric labels.
    const NAME: &'static str;
    /// The vendor's page that [`Self::TABLE`] was read from.
    const REFERENCE: &'static str;
    /// Answer → outcome; the first row that matches holds.
    const TABLE: &'static [Row];
}

/// A setting that no client can be built from. Names the setting, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VendorSettingsError {
    #[error("{setting}: expected {expected}")]
    Invalid { setting: &'static str, expected: &'static str },
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}
