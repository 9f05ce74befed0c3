//! What the reporter has directed: the one voice that says which epochs there are.

use async_trait::async_trait;
use service_kit::client::Neighbour;
use shared_types::{Directed, Directive, TargetName};

/// Knows what the reporter wants of a target.
#[async_trait]
pub trait Directives: Send + Sync {
    /// The directive in force; `None` if the reporter cannot be reached or does not know the target.
    async fn of(&self, target: &TargetName) -> Option<Directive>;
}

/// The reporter's word on what is collected.
pub struct ReporterDirectives(pub Neighbour);

#[async_trait]
impl Directives for ReporterDirectives {
    async fn of(&self, target: &TargetName) -> Option<Directive> {
        match self.0.get_json::<Directed>(&format!("/v1/rollouts/{target}")).await {
            Ok(directed) => directed.directive,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(target_name = %target, error, "the reporter has no directive for us");
                None
            }
        }
    }
}
