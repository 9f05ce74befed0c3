//! Answers somebody where only they see it.

use async_trait::async_trait;
use domain::effects::TellSlackUser;
use service_kit::outbox::{Claim, Outcome, Perform};

use super::Effects;

#[async_trait]
impl Perform<Effects> for TellSlackUser {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.messenger.tell(self).await
    }
}
