//! Where a policy is wrong, and what was expected there.

use std::fmt;
use std::path::PathBuf;

/// Why a policy cannot be used; one line.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{}: cannot be read", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Wrong(WrongPolicy),
}

/// One wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongPolicy {
    /// As it was given.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
    /// Such as `targets.autosave.phases[1].thresholds.error_rate`; empty for the file as a whole.
    pub path: String,
    /// What was expected, and what stands there.
    pub message: String,
}

/// `governance/policy.yaml:37:5: targets.autosave.title: expected …`
impl fmt::Display for WrongPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
