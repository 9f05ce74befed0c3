//! Both vendor doubles and the environment that points the reporter at them.

use crate::doubles::{PagerDutyDouble, SlackDouble};
use crate::wait;

/// A running Slack and a running PagerDuty.
pub struct Vendors {
    pub slack: SlackDouble,
    pub pagerduty: PagerDutyDouble,
}

impl Vendors {
    /// Starts both on ports of their own.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        Self {
            slack: SlackDouble::start().await.expect("the Slack double"),
            pagerduty: PagerDutyDouble::start().await.expect("the PagerDuty double"),
        }
    }

    /// What the reporter needs to speak to them.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SLACK_BOT_TOKEN", self.slack.token()),
            ("SLACK_API_URL", self.slack.api_url()),
            ("PAGERDUTY_ROUTING_KEY", self.pagerduty.routing_key()),
            ("PAGERDUTY_EVENTS_URL", self.pagerduty.url()),
        ]
    }

    /// Messages whose text contains `part`.
    #[must_use]
    pub fn messages_with(&self, part: &str) -> Vec<String> {
        self.slack
            .messages()
            .iter()
            .map(vendor_doubles::SlackMessage::shown)
            .filter(|text| text.contains(part))
            .collect()
    }

    /// Waits for a message whose text contains `part`.
    pub async fn until_message(&self, part: &str) -> String {
        wait::until(&format!("a message with `{part}`"), || async {
            let said = || {
                self.slack
                    .messages()
                    .iter()
                    .map(|message| message.text.clone())
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            self.messages_with(part).into_iter().next().ok_or_else(said)
        })
        .await
    }
}
