//! What a policy must not be though it has the shape of one: such that it cannot protect (PL). Pure.
//!
//! A file a family of rules. Each looks at the sections that are in order and says where, why, and what to write instead. What
//! is refused keeps a new version from being taken over; a warning does nothing. `allow` of a target leaves rules out there.

mod audience;
mod limits;
mod names;
pub(super) mod one;
mod rollback;
mod traps;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::check::{Path, Wrong};
use super::error::WrongPolicy;
use super::section::collection::Collection;
use super::section::gate::GatePolicy;
use super::section::metrics::MetricPolicy;
use super::section::phases::{PhasePolicy, RawPhase};
use super::section::target::RawTarget;
use super::section::transitions::ChosenExecutor;

/// A rule of the lint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Display)]
pub enum Rule {
    /// A rollback learns the phase to reach.
    #[serde(rename = "PL-1")]
    #[strum(serialize = "PL-1")]
    Rollback,
    /// The programs are there; known only where they are to run.
    #[serde(rename = "PL-2")]
    #[strum(serialize = "PL-2")]
    Programs,
    /// A limit can be crossed, and be kept.
    #[serde(rename = "PL-3")]
    #[strum(serialize = "PL-3")]
    Limits,
    /// The audience does not fall from phase to phase.
    #[serde(rename = "PL-4")]
    #[strum(serialize = "PL-4")]
    Audience,
    /// What is named is there: roles, and the phases of the incident text.
    #[serde(rename = "PL-5")]
    #[strum(serialize = "PL-5")]
    Names,
    /// Numbers that do not do what one would think.
    #[serde(rename = "PL-6")]
    #[strum(serialize = "PL-6")]
    Traps,
}

/// What the lint found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lint {
    /// Keeps the version from being taken over.
    pub refused: Vec<WrongPolicy>,
    pub warnings: Vec<WrongPolicy>,
}

/// The same before it is known in which file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) refused: Vec<Wrong>,
    pub(super) warnings: Vec<Wrong>,
}

impl Findings {
    fn refuse(&mut self, rule: Rule, wrong: Wrong) {
        self.refused.push(wrong.by(rule));
    }

    fn warn(&mut self, rule: Rule, wrong: Wrong) {
        self.warnings.push(wrong.by(rule));
    }
}

/// A target as far as it is in order.
pub(super) struct Target<'a> {
    pub(super) raw: &'a RawTarget,
    pub(super) path: &'a Path,
    pub(super) collection: Option<&'a Collection>,
    pub(super) metrics: &'a [MetricPolicy],
    pub(super) gate: Option<&'a GatePolicy>,
    pub(super) phases: &'a [PhasePolicy],
    pub(super) executor: Option<&'a ChosenExecutor<'a>>,
}

impl<'a> Target<'a> {
    /// The phases with the place of each.
    fn placed(&self) -> impl Iterator<Item = (&'a PhasePolicy, &'a RawPhase, Path)> + use<'a> {
        let (raw, path) = (&self.raw.phases.value, self.path.key("phases"));
        self.phases.iter().filter_map(move |phase| {
            let index = raw.iter().position(|it| it.value.id.value == phase.id.as_str())?;
            Some((phase, &raw[index].value, path.index(index)))
        })
    }
}

/// Adds what the rules say of a target, but for those that it allows to be broken.
pub(super) fn check(target: &Target<'_>, findings: &mut Findings) {
    let mut found = Findings::default();
    rollback::check(target, &mut found);
    limits::check(target, &mut found);
    audience::check(target, &mut found);
    names::check(target, &mut found);
    traps::check(target, &mut found);
    let path = target.path.key("allow");
    for (index, allow) in target.raw.allow.iter().enumerate() {
        let broken = found.refused.iter().chain(&found.warnings).any(|it| it.rule == Some(allow.value));
        // Whether programs are there is not known here.
        if !broken && allow.value != Rule::Programs {
            let unneeded = allow.wrong(&path.index(index), "nothing here breaks this rule; leave it out");
            findings.warn(allow.value, unneeded);
        }
    }
    let holds = |wrong: &Wrong| target.raw.allow.iter().all(|allow| Some(allow.value) != wrong.rule);
    findings.refused.extend(found.refused.into_iter().filter(holds));
    findings.warnings.extend(found.warnings.into_iter().filter(holds));
}
