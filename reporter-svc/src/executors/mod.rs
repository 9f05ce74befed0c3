//! What moves a target: the half of an executor that acts. What a move is was planned before (`domain::executors`), and is
//! kept whole; here it is done, in one attempt, and read back.

pub mod command;
mod executor;
pub mod flagd;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use command::{CommandExecutor, Environment};
use flagd::FlagdExecutor;

pub use executor::{Executor, ReadBack};

/// What executors on this machine work with.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// What relative paths start from.
    pub directory: PathBuf,
    pub environment: Environment,
    /// Cancelled: what can be ended is ended, with an unknown outcome, and is done again by whoever claims it next.
    pub stop: CancellationToken,
}

/// All kinds, by name.
#[derive(Clone, Default)]
pub struct Executors(BTreeMap<&'static str, Arc<dyn Executor>>);

impl Executors {
    /// Those of the product, one line each.
    #[must_use]
    pub fn shipped(of: &Surroundings) -> Self {
        Self::default()
            .with(Arc::new(CommandExecutor::new(&of.directory, of.environment.clone(), of.stop.clone())))
            .with(Arc::new(FlagdExecutor::new(&of.directory)))
    }

    /// One more; it takes the place of one of the same name.
    #[must_use]
    pub fn with(mut self, executor: Arc<dyn Executor>) -> Self {
        self.0.insert(executor.name(), executor);
        self
    }

    /// The one of that name.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&dyn Executor> {
        self.0.get(kind).map(AsRef::as_ref)
    }
}
