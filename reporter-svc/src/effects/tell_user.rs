//! Answers somebody where only they see it.

use async_trait::async_trait;
use domain::effects::TellUser;
use service_kit::outbox::{Claim, Outcome, Perform};

use super::context::Effects;

#[async_trait]
impl Perform<Effects> for TellUser {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.notifiers.tell(self).await
    }
}
