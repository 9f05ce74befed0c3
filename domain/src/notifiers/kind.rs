//! A kind of notifier: what its addresses look like, and how a message reads there.

use super::message::Message;

/// A kind of notifier.
pub trait NotifierKind: Send + Sync {
    /// Its name, which its addresses may begin with (`slack:#incident`), and that of its other half.
    fn name(&self) -> &'static str;

    /// What an address looks like, for people who wrote another: ``a Slack channel such as "#incident"``.
    fn expected(&self) -> &'static str;

    /// An address in the one form that is kept, where it is one of this kind; short forms are its own business.
    fn address(&self, written: &str) -> Option<String>;

    /// Whether somebody reads it there who can act: what asks for an answer goes only to such an address.
    fn reaches_people(&self) -> bool {
        true
    }

    /// The message as it is sent.
    fn render(&self, message: &Message) -> String;

    /// What its outbox rows are called.
    fn row_kind(&self) -> &'static str {
        "PostMessage"
    }
}
