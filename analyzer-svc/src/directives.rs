//! What the reporter says of a rollout: the one voice that says which epochs there are, and how far it was told.

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Neighbour;
use shared_types::{Directive, Epoch, TargetName, Window};

/// Of what `GET /v1/rollouts/{target}` says, all that is read here, so that a reporter of an older release can say it too (OP-6).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Word {
    /// In force now.
    pub directive: Option<Directive>,
    /// How far the decisions have told it.
    pub gate: Option<Told>,
}

/// The newest window that the reporter knows a decision of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Told {
    pub epoch: Epoch,
    pub through: Option<Window>,
}

/// Knows what the reporter wants of a target.
#[async_trait]
pub trait Directives: Send + Sync {
    /// Nothing, if the reporter cannot be reached or does not know the target.
    async fn of(&self, target: &TargetName) -> Word;
}

/// The reporter's word on what is collected.
pub struct ReporterDirectives(pub Neighbour);

#[async_trait]
impl Directives for ReporterDirectives {
    async fn of(&self, target: &TargetName) -> Word {
        match self.0.get_json(&format!("/v1/rollouts/{target}")).await {
            Ok(word) => word,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(target_name = %target, error, "the reporter has no directive for us");
                Word::default()
            }
        }
    }
}
