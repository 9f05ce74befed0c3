//! Where a message goes, as the policy writes it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::kind::NotifierKind;
use super::message::Message;
use crate::kinds::Kinds;

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

    /// As [`NotifierKind::pace`].
    #[must_use]
    pub fn pace(&self) -> Duration {
        self.kind.pace()
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
