//! Where a policy is wrong, and what was expected there.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::lint::Rule;

/// Why a policy cannot be used; one line, however many places are wrong.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// In the order of the file; never empty.
    #[error("{}", joined(.0))]
    Wrong(Vec<WrongPolicy>),
}

/// More than anybody reads in one line.
const JOINED_MAX: usize = 100;

fn joined(places: &[WrongPolicy]) -> String {
    let mut text = places.iter().take(JOINED_MAX).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if places.len() > JOINED_MAX {
        text.push_str(&format!("; and {} more", places.len() - JOINED_MAX));
    }
    text
}

/// One wrong place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongPolicy {
    /// As it was given.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
    /// Such as `targets.autosave.phases[1].thresholds.error_rate`; empty for the file as a whole.
    pub path: String,
    /// The rule of the lint that it breaks; none where the file has not the shape of a policy.
    pub rule: Option<Rule>,
    /// What was expected, and what stands there.
    pub message: String,
}

/// `governance/policy.yaml:37:5: targets.autosave.title: expected …`; the rule stands before the message: `[PL-1] …`.
impl fmt::Display for WrongPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if let Some(rule) = self.rule {
            write!(f, "[{rule}] ")?;
        }
        f.write_str(&self.message)
    }
}
