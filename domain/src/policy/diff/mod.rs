//! Two versions of the policy held beside each other, in words a reviewer reads (PO-1). Pure.
//!
//! Each change says whether it makes protection stricter or looser; what loosens is what a reviewer must not miss.
//! What to say of a key stands in its section; `changes` is what all of them say it with.

pub(crate) mod changes;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};

use serde::Serialize;

use changes::Changes;
pub use changes::{Difference, Effect};

use super::Policy;
use super::section::file;

/// All changes from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// `sha256:<hex>`.
    pub old: String,
    pub new: String,
    /// In the order of the file.
    pub changes: Vec<Difference>,
}

impl Policy {
    /// What `newer` changes.
    #[must_use]
    pub fn diff(&self, newer: &Self) -> PolicyDiff {
        let mut list = Changes::default();
        file::diff(self, newer, &mut list);
        PolicyDiff { old: self.version.clone(), new: newer.version.clone(), changes: list.0 }
    }
}

impl PolicyDiff {
    /// Nothing that means anything is different.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }

    /// Those that make protection looser.
    pub fn loosening(&self) -> impl Iterator<Item = &Difference> {
        self.changes.iter().filter(|it| it.effect == Effect::Looser)
    }
}

impl Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.old == self.new {
            return writeln!(f, "the same policy: {}", self.old);
        }
        writeln!(f, "{} → {}", short(&self.old), short(&self.new))?;
        if self.is_same() {
            return writeln!(f, "they say the same; only comments or layout differ");
        }
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        match self.loosening().count() {
            0 => writeln!(f, "nothing loosens protection"),
            1 => writeln!(f, "1 change loosens protection"),
            more => writeln!(f, "{more} changes loosen protection"),
        }
    }
}

fn short(version: &str) -> &str {
    version.get(..19).unwrap_or(version)
}
