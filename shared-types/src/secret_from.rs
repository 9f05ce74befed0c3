//! Where a secret is found.

use serde::{Deserialize, Serialize};

/// Where a secret is found, on the machine of whoever uses it. Never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretFrom {
    /// A variable of the environment.
    Variable(String),
    /// A file, read anew each time.
    File(String),
}

impl SecretFrom {
    /// In a few words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Variable(name) => format!("variable {name}"),
            Self::File(path) => format!("file {path}"),
        }
    }
}
