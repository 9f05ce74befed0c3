//! What the lint finds.

use super::rule::Rule;
use crate::policy::check::Wrong;
use crate::policy::error::WrongPolicy;

/// What the lint found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lint {
    /// Keeps the version from being taken over.
    pub refused: Vec<WrongPolicy>,
    pub warnings: Vec<WrongPolicy>,
}

/// The same before it is known in which file.
#[derive(Debug, Default)]
pub(in crate::policy) struct Findings {
    pub(in crate::policy) refused: Vec<Wrong>,
    pub(in crate::policy) warnings: Vec<Wrong>,
}

impl Findings {
    /// The same, as found for all that have it from one template.
    pub(super) fn in_common(mut self, common: bool) -> Self {
        let all = self.refused.iter_mut().chain(&mut self.warnings);
        all.for_each(|wrong| wrong.common = common);
        self
    }

    pub(super) fn refuse(&mut self, rule: Rule, wrong: Wrong) {
        self.refused.push(wrong.by(rule));
    }

    pub(super) fn warn(&mut self, rule: Rule, wrong: Wrong) {
        self.warnings.push(wrong.by(rule));
    }
}
