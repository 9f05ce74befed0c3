//! Who tells people: the half of a notifier that decides, which is what its addresses look like and how a message reads there.
//! Its other half, which sends, is the reporter's (`reporter-svc/src/notifiers`).

mod address;
mod kind;
mod local;
mod message;
pub mod slack;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use address::Address;
pub use kind::NotifierKind;
pub use local::{LOG, Local, RUNBOOK};
pub use message::{Message, Span};

/// The kinds of the product, one line each.
#[must_use]
pub fn shipped() -> Vec<Arc<dyn NotifierKind>> {
    vec![Arc::new(slack::Slack), Arc::new(RUNBOOK), Arc::new(LOG)]
}

/// The one that there was before rows named theirs, and what its rows are called.
pub const FIRST: &str = slack::Slack::NAME;
pub const FIRST_ROW_KIND: &str = slack::Slack::ROW_KIND;
pub const FIRST_ANSWER_KIND: &str = slack::Slack::ANSWER_KIND;

/// As [`FIRST`], for rows that name none.
pub(crate) fn first() -> String {
    FIRST.to_owned()
}
