use serde::{Deserialize, Serialize};
use shared_types::story::hop::ToldBy;
use shared_types::{IncidentId, TargetName};
use uuid::Uuid;

use crate::effects::buttons::ButtonAct;
use crate::effects::{Effect, RetrySchedule};
use crate::notifiers;
use crate::stored::Document;

/// Tells people something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostMessage {
    /// The row of the notifications table that keeps text, attempts and outcome (NO-5).
    pub notification: Uuid,
    pub target: TargetName,
    /// Who tells them; the release before knew one.
    #[serde(default = "notifiers::first")]
    pub notifier: String,
    /// Where, as the notifier has it.
    pub channel: String,
    /// Ready to be sent: rendered for the notifier, values escaped (NO-3).
    pub text: String,
    /// What people can do about it there, where the messenger can carry that.
    pub buttons: Vec<ButtonAct>,
    /// Messages of one incident form a thread in each channel.
    pub incident: Option<IncidentId>,
    /// Sent only after the dashboard file shows this revision (DE-1).
    pub after_dashboard: Option<u64>,
    /// It tells that something else was given up: its own loss is not told on (NO-7).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_loss: bool,
}

impl Document for PostMessage {
    const KIND: &'static str = "PostMessage";
}

impl Effect for PostMessage {
    const ALSO: &'static [&'static str] = &[notifiers::FIRST_ROW_KIND];

    fn row_kind(&self) -> &'static str {
        if self.notifier == notifiers::FIRST { notifiers::FIRST_ROW_KIND } else { Self::KIND }
    }

    fn lane(&self) -> String {
        format!("{}/{}", self.notifier, self.channel)
    }

    fn retry(&self) -> RetrySchedule {
        RetrySchedule::of_messages()
    }

    fn told_if_lost(&self) -> Option<ToldBy> {
        Some(if self.of_loss { ToldBy::Nobody } else { ToldBy::Page })
    }
}
