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
        let fit: Vec<_> = kinds.notifiers().iter().filter(|it| it.reaches_people() || !asking).collect();
        for kind in &fit {
            if let Some(channel) = kind.address(written) {
                return Ok(Self { kind: Arc::clone(kind), channel });
            }
        }
        let (last, first) = fit.split_last().ok_or("nobody can be told")?;
        let first: Vec<&str> = first.iter().map(|it| it.expected()).collect();
        let expected = match first.as_slice() {
            [] => last.expected().to_owned(),
            first => format!("{} or {}", first.join(", "), last.expected()),
        };
        Err(format!("expected {expected}, found `{written}`"))
    }

    /// The notifier's name.
    #[must_use]
    pub fn notifier(&self) -> &'static str {
        self.kind.name()
    }

    /// As it is kept: `#incident`, `runbook`.
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
