use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effects::{Effect, RetrySchedule};
use crate::stored::Document;

/// Tells somebody who has pressed a button, and nobody else, what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellSlackUser {
    /// Slack's id of the channel.
    pub channel: String,
    /// Slack's id of the user.
    pub user: String,
    /// Ready to be sent.
    pub text: String,
}

impl Document for TellSlackUser {
    const KIND: &'static str = "TellSlackUser";
}

impl Effect for TellSlackUser {
    fn lane(&self) -> String {
        format!("slack-answer/{}", self.user)
    }

    /// Somebody waits for it now, and nobody does in an hour.
    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([1, 5, 30].map(Duration::from_secs))
    }
}
