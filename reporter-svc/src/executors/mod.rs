//! What moves a target: the half of an executor that acts. What a move is was planned before (`domain::executors`), and is
//! kept whole; here it is done, in one attempt, and read back.

pub mod command;
pub mod flagd;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use clap::ArgMatches;
use domain::effects::RunTransition;
use domain::executors::Report;
use serde_json::json;
use service_kit::outbox::Outcome;

use crate::composition::{Kind, Opening};

/// The kinds of the product, one line each.
pub const SHIPPED: [Kind<dyn Executor>; 2] = [command::KIND, flagd::KIND];

/// One kind. It makes one attempt and says what came of it; retrying is the outbox's business. Running twice is as running
/// once, and no secret is in what it says.
#[async_trait]
pub trait Executor: Send + Sync {
    /// That of its other half.
    fn name(&self) -> &'static str;

    /// Does what was planned.
    ///
    /// # Errors
    /// Anything but done, for the outbox; a failure's reason ends with what the system said.
    async fn run(&self, it: &RunTransition) -> Result<Report, Outcome>;

    /// Looks at what is served now. Asked only where the request says that it can be.
    ///
    /// # Errors
    /// It could not be looked at.
    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome>;
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// The phase, or what stands in its place, in a few words.
    pub served: String,
    /// Whether that is what was asked for, share of users and all.
    pub as_asked: bool,
}

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

    /// One attempt. `Done` carries the [`Report`], and is said only when what is served was read back as asked, where that can
    /// be (RB-9).
    pub async fn run(&self, it: &RunTransition) -> Outcome {
        self.attempt(it).await.map_or_else(|outcome| outcome, |report| Outcome::Done(json!(report)))
    }

    async fn attempt(&self, it: &RunTransition) -> Result<Report, Outcome> {
        let kind = it.request.kind.as_str();
        let executor = self.0.get(kind).ok_or_else(|| Outcome::Never {
            reason: format!("this reporter has no executor called {kind}"),
        })?;
        let report = executor.run(it).await?;
        if !it.request.reads_back {
            return Ok(report);
        }
        let ReadBack { served, as_asked } = executor.read_back(it).await?;
        if as_asked {
            return Ok(Report { verified: Some(served), ..report });
        }
        Err(Outcome::Failed { reason: format!("read back {served:?} where {} was expected", it.to) })
    }
}
