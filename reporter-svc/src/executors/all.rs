//! All executors, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::executors::Request;
use domain::policy::TargetPolicy;
use domain::policy::lint::Rule;
use domain::rollout::command::first_moves;
use shared_types::TargetName;

use super::executor::Executor;

/// See the module.
#[derive(Clone, Default)]
pub struct Executors(pub(super) BTreeMap<&'static str, Arc<dyn Executor>>);

impl Executors {
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
