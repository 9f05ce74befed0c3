//! What a sender is told.

use std::collections::BTreeSet;

/// Reasons that an answer names.
const REASONS: usize = 5;

/// What cannot be counted of a request, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    pub items: u64,
    reasons: BTreeSet<String>,
}

impl Refused {
    pub(crate) fn add(&mut self, items: usize, reason: String) {
        self.items += u64::try_from(items).unwrap_or(u64::MAX);
        if self.reasons.len() < REASONS {
            self.reasons.insert(reason);
        }
    }

    pub(crate) fn merge(&mut self, more: Self) {
        self.items += more.items;
        let room = REASONS.saturating_sub(self.reasons.len());
        self.reasons.extend(more.reasons.into_iter().take(room));
    }

    /// The reasons in one line.
    #[must_use]
    pub fn words(&self) -> String {
        self.reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}
