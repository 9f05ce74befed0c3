//! Names and numbers that identify things on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A name that is also a path segment and a file name: 1–64 of `a-z A-Z 0-9 _ -`, not starting with `-`.
fn is_plain_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed)
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name: expected 1 to 64 of a-z A-Z 0-9 _ -, not starting with -")]
pub struct NameError {
    text: String,
}

macro_rules! plain_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`NameError`] if it is not 1–64 of `a-z A-Z 0-9 _ -`, or starts with `-`.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if is_plain_name(text) { Ok(Self(text.to_owned())) } else { Err(NameError { text: text.chars().take(80).collect() }) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

plain_name! {
    /// One feature under rollout, e.g. `autosave`.
    TargetName
}
plain_name! {
    /// A phase of a target's rollout, e.g. `A`; or one of the implicit ends `off` and `completed`.
    PhaseId
}
plain_name! {
    /// An incident's id, `INC-<yyyymmdd>-<nnn>`.
    IncidentId
}

impl PhaseId {
    /// The implicit phase below the first: 0 %.
    #[must_use]
    pub fn off() -> Self {
        Self("off".to_owned())
    }

    /// The implicit phase above the last.
    #[must_use]
    pub fn completed() -> Self {
        Self("completed".to_owned())
    }

    /// Whether this is `off`.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0 == "off"
    }

    /// Whether this is `completed`.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.0 == "completed"
    }

    /// Whether the phase has thresholds, i.e. is neither `off` nor `completed`.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        !self.is_off() && !self.is_completed()
    }
}

/// The number of a stay in a phase; grows by one at every transition, up or down. 0 = not started.
pub type Epoch = u64;
