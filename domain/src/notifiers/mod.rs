//! Who tells people: the half of a notifier that decides, which is what its addresses look like and how a message reads there.
//! Its other half, which sends, is the reporter's (`reporter-svc/src/notifiers`).

mod local;
mod message;
pub mod slack;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use local::{LOG, Local, RUNBOOK};
pub use message::{Message, Span};

use crate::kinds::Kinds;

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

    /// The message as it is sent.
    fn render(&self, message: &Message) -> String;
}

/// Where a message goes.
#[derive(Clone)]
pub struct Address {
    kind: Arc<dyn NotifierKind>,
    channel: String,
}

impl Address {
    /// Of a text as a policy holds it; `asking`: somebody has to be able to act there.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(written: &str, kinds: &Kinds, asking: bool) -> Result<Self, String> {
        for kind in kinds.notifiers().iter().filter(|it| it.reaches_people() || !asking) {
            if let Some(channel) = kind.address(written) {
                return Ok(Self { kind: Arc::clone(kind), channel });
            }
        }
        Err(format!("expected {}, found `{written}`", Self::expected(kinds, asking)))
    }

    /// What an address looks like, in words.
    #[must_use]
    pub fn expected(kinds: &Kinds, asking: bool) -> String {
        let fit = kinds.notifiers().iter().filter(|it| it.reaches_people() || !asking);
        let fit: Vec<&str> = fit.map(|it| it.expected()).collect();
        match fit.as_slice() {
            [] => "nothing, as nobody can be told".to_owned(),
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }

    /// The notifier's name.
    #[must_use]
    pub fn notifier(&self) -> &'static str {
        self.kind.name()
    }

    /// As it is kept: `runbook`.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// As [`NotifierKind::reaches_people`].
    #[must_use]
    pub fn reaches_people(&self) -> bool {
        self.kind.reaches_people()
    }

    /// As [`NotifierKind::render`].
    #[must_use]
    pub fn render(&self, message: &Message) -> String {
        self.kind.render(message)
    }
}

/// Of a shipped kind.
impl FromStr for Address {
    type Err = String;
    fn from_str(written: &str) -> Result<Self, String> {
        Self::parse(written, &Kinds::shipped(), false)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.channel)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.notifier(), self.channel)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.notifier() == other.notifier() && self.channel == other.channel
    }
}
