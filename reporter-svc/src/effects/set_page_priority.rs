//! Sets the priority of a page.

use async_trait::async_trait;
use domain::effects::SetPagePriority;
use service_kit::outbox::{Claim, Outcome, Perform};

use super::context::Effects;

#[async_trait]
impl Perform<Effects> for SetPagePriority {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.pager.set_priority(self).await
    }
}
