//! Keeps secrets out of what people read.

use secrecy::{ExposeSecret, SecretString};

/// The secrets of one vendor client, so that a text which might echo one (an error page of a proxy, say)
/// can be cleaned before it is kept.
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Empty ones are left out: they are in every text.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.expose_secret().is_empty()).collect())
    }

    /// The text with every secret in it replaced by `***`.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_of_every_secret_is_replaced() {
        let secrets = Secrets::new(["one".into(), "two".into(), String::new().into()]);
        assert_eq!(secrets.scrub("one two one three"), "*** *** *** three");
    }
}
