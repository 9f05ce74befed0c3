//! A kind of notifier: what its addresses look like, and how a message reads there.

use std::time::Duration;

use super::message::Message;

/// A kind of notifier.
pub trait NotifierKind: Send + Sync {
    /// Its name, which its addresses may begin with (`pigeon:roof`), and that of its other half.
    fn name(&self) -> &'static str;

    /// What an address looks like, for the documentation and for people who wrote another: ``a loft such as `pigeon:roof` ``.
    fn expected(&self) -> &'static str;

    /// An address in the one form that is kept, where it is one of this kind; short forms are its own business.
    fn address(&self, written: &str) -> Option<String>;

    /// Whether somebody reads it there who can act: what asks for an answer goes only to such an address.
    fn reaches_people(&self) -> bool {
        true
    }

    /// How long nothing more goes to an address after a message (NO-8).
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// The message as it is sent.
    fn render(&self, message: &Message) -> String;
}
