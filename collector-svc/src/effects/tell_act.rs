//! Tells the reporter of an act done here.

use async_trait::async_trait;
use domain::effects::{Effect, NewMessage, RetrySchedule};
use domain::stored::Document;
use serde::{Deserialize, Serialize};
use service_kit::outbox::{Claim, Outcome, Perform};
use shared_types::Timestamp;
use shared_types::audit::CollectorAct;

use super::context::Effects;

/// Tells the reporter, which keeps the audit log, of an act done here (GO-4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellAct {
    pub act: CollectorAct,
}

impl TellAct {
    #[must_use]
    pub fn message(&self, now: Timestamp) -> NewMessage {
        let subject = format!("{}/{}", self.act.target, self.act.kind.deed());
        NewMessage::of(self, format!("act/{}", self.act.id), subject, now)
    }
}

impl Document for TellAct {
    const KIND: &'static str = "tell_act";
}

impl Effect for TellAct {
    fn lane(&self) -> String {
        format!("reporter/{}", self.act.target)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_neighbours()
    }
}

#[async_trait]
impl Perform<Effects> for TellAct {
    async fn run(&self, effects: &Effects, _claim: &Claim) -> Outcome {
        effects.reporter.deliver("/v1/audit/acts", &self.act).await
    }
}
