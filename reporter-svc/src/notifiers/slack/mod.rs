//! Slack, all of it: what it can be told, the client that sends, and the buttons that come back. Its other half is
//! `domain::notifiers::slack`.

mod blocks;
mod client;
pub mod inbound;
mod press;
#[cfg(test)]
pub(crate) mod tests;
mod users;

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Extension;
use clap::{ArgMatches, Args as _, FromArgMatches as _};
use domain::effects::{PostMessage, TellUser};
use domain::notifiers::slack::Slack as Decided;
use secrecy::SecretString;
use serde_json::json;
use service_kit::config::{header_secret, http_url, secret};
use service_kit::outbox::Outcome;
use service_kit::vendors::http::Url;
use utoipa_axum::router::OpenApiRouter;

use super::{LogNotifier, Notifier};
use crate::api::App;
use crate::kind::{Kind, Opening};
use crate::ways::Look;

pub use client::{DEFAULT_API_URL, Slack, SlackAccess, SlackSettings};
pub use inbound::SlackInbound;
pub use press::{SlackAnswer, SlackOutcome, routes};
pub use users::SlackUsers;

/// The kind.
pub const KIND: Kind<dyn Notifier> =
    Kind { name: Decided::NAME, arguments: SlackArgs::augment_args, open, routes };

/// What Slack can be told.
#[derive(Clone, clap::Args)]
struct SlackArgs {
    /// Slack bot token with `chat:write`; with neither it nor webhooks messages go to the log only
    #[arg(long, env = "SLACK_BOT_TOKEN", value_name = "TOKEN", value_parser = header_secret)]
    slack_bot_token: Option<SecretString>,
    /// Incoming webhooks in place of a token: `#channel=url,#other=url`
    #[arg(long, env = "PHASEGATE_SLACK_WEBHOOKS", value_name = "CHANNEL=URL,…", value_parser = secret)]
    slack_webhooks: Option<SecretString>,
    /// Base URL of Slack's API
    #[arg(long, env = "SLACK_API_URL", value_name = "URL", value_parser = http_url,
          default_value = DEFAULT_API_URL)]
    slack_api_url: Url,
    /// Secret that Slack signs its requests with; without it messages have no buttons
    #[arg(long, env = "SLACK_SIGNING_SECRET", value_name = "SECRET", value_parser = secret)]
    slack_signing_secret: Option<SecretString>,
    /// Who Slack's users are here: `U0123=name:role,role; …`, or a file with one such entry a line
    #[arg(long, env = "PHASEGATE_SLACK_USERS", value_name = "LIST|FILE")]
    slack_users: Option<String>,
}

fn open(told: &ArgMatches, with: &Opening) -> anyhow::Result<Arc<dyn Notifier>> {
    let args = SlackArgs::from_arg_matches(told)?;
    Ok(Arc::new(Configured { client: args.client(with)?, inbound: args.inbound()?.map(Arc::new) }))
}

impl SlackArgs {
    fn client(&self, with: &Opening) -> anyhow::Result<Option<Slack>> {
        let access = match (&self.slack_bot_token, &self.slack_webhooks) {
            (Some(token), _) => {
                SlackAccess::BotToken { token: token.clone(), api_url: self.slack_api_url.to_string() }
            }
            (None, Some(webhooks)) => SlackAccess::webhooks(webhooks)?,
            (None, None) => return Ok(None),
        };
        let buttons = self.slack_signing_secret.is_some();
        let settings = SlackSettings { access, buttons, timeout: with.timeout };
        Ok(Some(Slack::new(settings, Arc::clone(&with.clock)).context("Slack")?))
    }

    fn inbound(&self) -> anyhow::Result<Option<SlackInbound>> {
        let Some(signing_secret) = self.slack_signing_secret.clone() else {
            anyhow::ensure!(self.slack_users.is_none(), "PHASEGATE_SLACK_USERS needs SLACK_SIGNING_SECRET");
            return Ok(None);
        };
        let users = match &self.slack_users {
            Some(setting) => SlackUsers::load(setting)
                .map_err(|wrong| anyhow::anyhow!("PHASEGATE_SLACK_USERS: {wrong}"))?,
            None => SlackUsers::default(),
        };
        Ok(Some(SlackInbound { signing_secret, users }))
    }
}

/// As far as it was told: without a token messages go to the log, without a signing secret no button is believed.
#[derive(Debug)]
struct Configured {
    client: Option<Slack>,
    inbound: Option<Arc<SlackInbound>>,
}

#[async_trait]
impl Notifier for Configured {
    fn name(&self) -> &'static str {
        Decided::NAME
    }

    fn cannot_reach(&self, channel: &str) -> Option<String> {
        self.client.as_ref()?.cannot_reach(channel)
    }

    async fn look(&self, channel: &str) -> Look {
        match &self.client {
            Some(client) => client.look(channel).await,
            None => Look::warning("Slack is not configured: messages go to the reporter's log only"),
        }
    }

    async fn post(&self, message: &PostMessage, thread: Option<&str>, resend: bool) -> Outcome {
        match &self.client {
            Some(client) => client.post(message, thread, resend).await,
            None => LogNotifier { stands_for: Decided::NAME }.post(message, thread, resend).await,
        }
    }

    async fn tell(&self, it: &TellUser) -> Outcome {
        if let Some(client) = &self.client {
            return client.tell(it).await;
        }
        tracing::info!(user = it.user, text = it.text, "slack is not configured: answer");
        Outcome::Done(json!({ "logged": true }))
    }

    fn log_only(&self) -> Option<&'static str> {
        self.client.is_none().then_some("Slack messages")
    }

    fn admit(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        match &self.inbound {
            Some(inbound) => routes.layer(Extension(Arc::clone(inbound))),
            None => routes,
        }
    }
}
