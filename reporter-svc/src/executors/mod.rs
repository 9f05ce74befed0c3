//! What moves a target: the half of an executor that acts. What a move is was planned before (`domain::executors`), and is
//! kept whole; here it is done, in one attempt, and read back.

pub mod command;
mod executor;
pub mod flagd;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::ArgMatches;
use domain::executors::{Request, first_moves};
use domain::policy::TargetPolicy;
use domain::policy::lint::Rule;
use shared_types::TargetName;

use crate::kind::{Kind, Opening};

/// The kinds of the product, one line each.
pub const SHIPPED: [Kind<dyn Executor>; 2] = [command::KIND, flagd::KIND];

pub use executor::{Executor, ReadBack};

/// All kinds, by name.
#[derive(Clone, Default)]
pub struct Executors(BTreeMap<&'static str, Arc<dyn Executor>>);

impl Executors {
    /// With what they were told.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn open(kinds: &[Kind<dyn Executor>], told: &ArgMatches, with: &Opening) -> anyhow::Result<Self> {
        kinds.iter().try_fold(Self::default(), |all, kind| Ok(all.with((kind.open)(told, with)?)))
    }

    /// One more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, executor: Arc<dyn Executor>) -> Self {
        self.0.insert(executor.name(), executor);
        self
    }

    /// What would keep a target's first moves from being made here, each once; nothing for a target that allows it (PL-2).
    #[must_use]
    pub fn obstacles(&self, target: &TargetName, policy: &TargetPolicy) -> Vec<String> {
        if policy.allow.contains(&Rule::Programs) {
            return Vec::new();
        }
        let obstacle = |planned: Request| match self.of(&planned.kind) {
            Some(executor) => executor.obstacle(&planned),
            None => Some(format!("this reporter has no executor called {}", planned.kind)),
        };
        let found: BTreeSet<String> = first_moves(target, policy).into_iter().filter_map(obstacle).collect();
        found.into_iter().collect()
    }

    /// The one of that name.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&dyn Executor> {
        self.0.get(kind).map(AsRef::as_ref)
    }
}
