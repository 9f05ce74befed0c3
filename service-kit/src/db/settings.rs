//! What a database is opened with.

use std::num::NonZeroU32;
use std::str::FromStr;

use secrecy::SecretString;

/// See the module.
#[derive(Debug, Clone)]
pub struct DbSettings {
    pub url: SecretString,
    /// The service whose tables these are: what the log and the metrics call it.
    pub service: String,
    /// PostgreSQL's schema.
    pub schema: SchemaName,
    /// How many connections there can be at once; `None`: the engine's usual number.
    pub connections: Option<NonZeroU32>,
}

impl DbSettings {
    /// The usual ones: the schema is named like the service.
    ///
    /// # Errors
    /// The service's name cannot name a schema.
    pub fn usual(url: impl Into<SecretString>, service: &str) -> Result<Self, String> {
        let schema = SchemaName::default().of(service)?;
        Ok(Self { url: url.into(), service: service.to_owned(), schema, connections: None })
    }
}

/// A schema's name that needs no quoting; in a setting it may hold `{service}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName(String);

const SERVICE: &str = "{service}";
const LONGEST: usize = 40;

impl Default for SchemaName {
    fn default() -> Self {
        Self(SERVICE.to_owned())
    }
}

impl SchemaName {
    /// The name for one service.
    ///
    /// # Errors
    /// It would not name a schema.
    pub fn of(&self, service: &str) -> Result<Self, String> {
        let name = self.0.replace(SERVICE, service);
        plain(&name).then(|| Self(name.clone())).ok_or_else(|| format!("{name:?} cannot name a schema"))
    }

    /// Whether it is a name of its own for each service.
    #[must_use]
    pub fn differs_by_service(&self) -> bool {
        self.0.contains(SERVICE)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SchemaName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if plain(&text.replace(SERVICE, "s")) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("expected up to {LONGEST} of a-z, 0-9 and _, or {SERVICE} among them"))
        }
    }
}

impl std::fmt::Display for SchemaName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn plain(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    plain && !name.is_empty() && name.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_named_after_the_service_or_as_told() {
        let name = |text: &str| text.parse::<SchemaName>().and_then(|it| it.of("reporter"));
        assert_eq!(name("{service}").unwrap().as_str(), "reporter");
        assert_eq!(name("team_a_{service}").unwrap().as_str(), "team_a_reporter");
        assert_eq!(name("rollouts").unwrap().as_str(), "rollouts");
        for wrong in ["", "Team", "a-b", "x\"; DROP", "{phase}"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
        assert!(!"rollouts".parse::<SchemaName>().unwrap().differs_by_service());
    }
}
