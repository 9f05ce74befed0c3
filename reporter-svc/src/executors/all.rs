//! All executors, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::effects::RunTransition;
use domain::executors::Request;
use domain::policy::TargetPolicy;
use domain::policy::lint::Rule;
use domain::rollout::command::first_moves;
use service_kit::outbox::Outcome;
use shared_types::TargetName;

use super::executor::{Executor, ReadBack};
use super::users::UserCheck;

/// See the module.
#[derive(Clone, Default)]
pub struct Executors {
    pub(super) kinds: BTreeMap<&'static str, Arc<dyn Executor>>,
    /// None where none was opened: then nobody can say what users get.
    pub(super) users: Option<UserCheck>,
}

impl Executors {
    /// One more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, executor: Arc<dyn Executor>) -> Self {
        self.kinds.insert(executor.name(), executor);
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
            None => Some(not_here(&planned.kind)),
        };
        let found: BTreeSet<String> = first_moves(target, policy).into_iter().filter_map(obstacle).collect();
        found.into_iter().collect()
    }

    /// What is served: by the system that was moved, and then by what users get, where that is asked. Asked only of a move that
    /// [`RunTransition::reads_back`].
    ///
    /// # Errors
    /// It could not be looked at.
    pub async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let kind = it.request.kind.as_str();
        let executor = self.of(kind).ok_or_else(|| Outcome::Never { reason: not_here(kind) })?;
        let own = if it.request.reads_back { Some(executor.read_back(it).await?) } else { None };
        match (own, &it.users, &self.users) {
            (Some(own), _, _) if !own.as_asked => Ok(own),
            (_, Some(asked), Some(users)) => users.look(it, asked).await,
            (Some(own), None, _) => Ok(own),
            _ => Err(Outcome::Never { reason: "this reporter cannot read back what users get".to_owned() }),
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&dyn Executor> {
        self.kinds.get(kind).map(AsRef::as_ref)
    }
}

pub(crate) fn not_here(kind: &str) -> String {
    format!("this reporter has no executor called {kind}")
}
