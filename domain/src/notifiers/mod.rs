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
pub use local::{Log, Runbook};
pub use message::{Message, Span};

/// The kinds of the product, one line each.
#[must_use]
pub fn shipped() -> Vec<Arc<dyn NotifierKind>> {
    vec![Arc::new(slack::Slack), Arc::new(Runbook), Arc::new(Log)]
}
