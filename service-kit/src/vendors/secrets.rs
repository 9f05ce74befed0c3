//! Secrets: where they are read from, and how they are kept out of what people read.

use secrecy::{ExposeSecret, SecretString};
use shared_types::SecretFrom;

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

/// The secret, read now, without white space around it.
///
/// # Errors
/// It is not where it should be; in words that name the place.
pub fn secret(from: &SecretFrom) -> Result<SecretString, String> {
    let found = match from {
        SecretFrom::Variable(name) => {
            std::env::var(name).map_err(|_| format!("the variable {name} is not set"))
        }
        SecretFrom::File(path) => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
    };
    Ok(found?.trim().to_owned().into())
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
