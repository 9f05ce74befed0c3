//! What an effect is, as data. How it is done stands with the service that does it: `service_kit::outbox::Perform`.

use shared_types::story::hop::ToldBy;

use super::RetrySchedule;
use crate::stored::Document;

/// The payload of an outbox row: complete (executing makes no choices), absolute (a transition names the phase to reach,
/// not a step) and small. Its kind as a document is the row's `kind`, also the metric label.
pub trait Effect: Document {
    /// Other kinds of rows that hold one.
    const ALSO: &'static [&'static str] = &[];

    /// The kind of the row it goes into: [`Document::KIND`] or one of [`Effect::ALSO`].
    fn row_kind(&self) -> &'static str {
        Self::KIND
    }

    /// The line it waits in; see `service_kit::outbox`.
    fn lane(&self) -> String;

    /// When it is tried again. Where the policy says so, who enqueues it puts that in its place.
    fn retry(&self) -> RetrySchedule;

    /// How people learn that it was given up (NO-7); none: whoever wanted it says so itself.
    fn told_if_lost(&self) -> Option<ToldBy> {
        Some(ToldBy::Message)
    }
}
