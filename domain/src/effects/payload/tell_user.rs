use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::story::hop::ToldBy;

use crate::effects::{Effect, RetrySchedule};
use crate::notifiers;
use crate::stored::Document;

/// Tells somebody who has pressed a button, and nobody else, what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellUser {
    /// Where the button was; the release before knew one.
    #[serde(default = "notifiers::first")]
    pub notifier: String,
    /// The notifier's id of the channel.
    pub channel: String,
    /// The notifier's id of the user.
    pub user: String,
    /// Ready to be sent.
    pub text: String,
}

impl Document for TellUser {
    // Named when there was one who could be answered; rows keep the name (OP-6).
    const KIND: &'static str = notifiers::FIRST_ANSWER_KIND;
}

impl Effect for TellUser {
    fn lane(&self) -> String {
        format!("{}-answer/{}", self.notifier, self.user)
    }

    /// Somebody waits for it now, and nobody does in an hour.
    fn retry(&self) -> RetrySchedule {
        RetrySchedule::then_dead([1, 5, 30].map(Duration::from_secs))
    }

    /// Who waits for it sees that nothing comes.
    fn told_if_lost(&self) -> Option<ToldBy> {
        Some(ToldBy::Nobody)
    }
}
