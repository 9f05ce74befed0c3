//! The reporter's own configuration: how Slack and PagerDuty are reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use service_kit::CommonConfig;
use service_kit::auth::{Authenticator, Sessions};
use service_kit::config::{header_secret, http_url};

use crate::api::WebhookSecrets;
use crate::executors::Executors;
use crate::notifiers::Notifiers;
use crate::ports::{Messenger, Pager};
use crate::vendors::{
    LogOnly, PagerDuty, PagerDutyRestSettings, PagerDutySettings, Slack, SlackAccess, SlackInbound,
    SlackSettings, SlackUsers, pagerduty, slack,
};

const VENDOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags and variables of the reporter alone.
#[derive(Clone, Default, clap::Args)]
pub struct ReporterArgs {
    /// Slack bot token with `chat:write`
    #[arg(long, env = "SLACK_BOT_TOKEN", value_name = "TOKEN", value_parser = header_secret)]
    pub slack_bot_token: Option<SecretString>,
    /// Incoming webhooks: `#channel=url,#other=url`
    #[arg(long, env = "PHASEGATE_SLACK_WEBHOOKS", value_name = "CHANNEL=URL,…", value_parser = secret)]
    pub slack_webhooks: Option<SecretString>,
    /// Base URL of Slack's API
    #[arg(long, env = "SLACK_API_URL", value_name = "URL", value_parser = http_url,
          default_value = slack::DEFAULT_API_URL)]
    pub slack_api_url: Option<reqwest::Url>,
    /// Secret that Slack signs its requests with
    #[arg(long, env = "SLACK_SIGNING_SECRET", value_name = "SECRET", value_parser = secret)]
    pub slack_signing_secret: Option<SecretString>,
    /// Who Slack's users are here: `U0123=name:role,role; …`, or a file with one such entry a line
    #[arg(long, env = "PHASEGATE_SLACK_USERS", value_name = "LIST|FILE")]
    pub slack_users: Option<String>,
    /// Integration key of the PagerDuty service (Events API v2)
    #[arg(long, env = "PAGERDUTY_ROUTING_KEY", value_name = "KEY", value_parser = secret)]
    pub pagerduty_routing_key: Option<SecretString>,
    /// Base URL of PagerDuty's events
    #[arg(long, env = "PAGERDUTY_EVENTS_URL", value_name = "URL", value_parser = http_url,
          default_value = pagerduty::DEFAULT_EVENTS_URL)]
    pub pagerduty_events_url: Option<reqwest::Url>,
    /// PagerDuty REST token: priorities and acknowledgements
    #[arg(long, env = "PAGERDUTY_API_TOKEN", value_name = "TOKEN", value_parser = header_secret)]
    pub pagerduty_api_token: Option<SecretString>,
    /// Base URL of PagerDuty's REST API
    #[arg(long, env = "PAGERDUTY_API_URL", value_name = "URL", value_parser = http_url,
          default_value = pagerduty::DEFAULT_API_URL)]
    pub pagerduty_api_url: Option<reqwest::Url>,
    /// E-mail address of the PagerDuty user in whose name incidents are changed
    #[arg(long, env = "PAGERDUTY_FROM", value_name = "EMAIL")]
    pub pagerduty_from: Option<String>,
    /// Secret that PagerDuty signs its webhooks with
    #[arg(long, env = "PAGERDUTY_WEBHOOK_SECRET", value_name = "SECRET", value_parser = secret)]
    pub pagerduty_webhook_secret: Option<SecretString>,
    /// Secret that browser sessions are signed with, the same for all replicas [default: one kept in the data directory]
    #[arg(long, env = "PHASEGATE_SESSION_KEY", value_name = "SECRET", value_parser = secret)]
    pub session_key: Option<SecretString>,
    /// Variables that the policy's commands get besides PATH, HOME and the like, by name: `NAME,OTHER`
    #[arg(long, env = "PHASEGATE_COMMAND_ENV", value_name = "NAME,…")]
    pub command_env: Option<String>,
}

fn secret(text: &str) -> Result<SecretString, String> {
    if text.trim().is_empty() { Err("expected a text that is not empty".to_owned()) } else { Ok(text.into()) }
}

impl fmt::Debug for ReporterArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReporterArgs")
            .field("slack", &self.slack_kind())
            .field("pagerduty", &self.pagerduty_routing_key.is_some())
            .finish_non_exhaustive()
    }
}

/// What the reporter is run with, checked.
#[derive(Clone)]
pub struct Config {
    pub common: CommonConfig,
    pub notifiers: Notifiers,
    pub messenger: Arc<dyn Messenger>,
    pub pager: Arc<dyn Pager>,
    /// How buttons pressed in Slack are taken; none: not at all.
    pub slack: Option<Arc<SlackInbound>>,
    /// None: the shipped ones, on this machine, in the working directory.
    pub executors: Option<Executors>,
    /// Variables of this process that its commands get besides [`crate::executors::command::INHERITED`].
    pub command_env: Vec<String>,
    /// Effects that go to the log only, for the line at the start (NO-6).
    pub log_only: Vec<&'static str>,
    /// What vendors sign their webhooks with.
    pub webhooks: WebhookSecrets,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("common", &self.common)
            .field("log_only", &self.log_only)
            .finish_non_exhaustive()
    }
}

impl ReporterArgs {
    fn slack_kind(&self) -> &'static str {
        match (&self.slack_bot_token, &self.slack_webhooks) {
            (Some(_), _) => "bot token",
            (None, Some(_)) => "webhooks",
            (None, None) => "none",
        }
    }

    /// Browser sessions are the reporter's alone: it serves the page.
    fn with_sessions(&self, common: &CommonConfig) -> anyhow::Result<Option<Arc<Authenticator>>> {
        let Some(tokens) = &common.tokens else { return Ok(None) };
        let sessions = match &self.session_key {
            Some(key) => Sessions::with_key(key)?,
            None => Sessions::with_kept_key(&common.data_dir)?,
        };
        Ok(Some(Arc::new(tokens.with_sessions(sessions))))
    }

    fn slack(&self, common: &CommonConfig) -> anyhow::Result<Option<Arc<Slack>>> {
        let access = match (&self.slack_bot_token, &self.slack_webhooks) {
            (Some(token), _) => {
                let api_url = text_of(self.slack_api_url.as_ref(), slack::DEFAULT_API_URL);
                SlackAccess::BotToken { token: token.clone(), api_url }
            }
            (None, Some(webhooks)) => SlackAccess::webhooks(webhooks)?,
            (None, None) => return Ok(None),
        };
        let settings =
            SlackSettings { access, buttons: self.slack_signing_secret.is_some(), timeout: VENDOR_TIMEOUT };
        Ok(Some(Arc::new(Slack::new(settings, Arc::clone(&common.clock)).context("Slack")?)))
    }

    fn inbound(&self) -> anyhow::Result<Option<Arc<SlackInbound>>> {
        let Some(signing_secret) = self.slack_signing_secret.clone() else {
            anyhow::ensure!(self.slack_users.is_none(), "PHASEGATE_SLACK_USERS needs SLACK_SIGNING_SECRET");
            return Ok(None);
        };
        let users = match &self.slack_users {
            Some(setting) => SlackUsers::load(setting)
                .map_err(|wrong| anyhow::anyhow!("PHASEGATE_SLACK_USERS: {wrong}"))?,
            None => SlackUsers::default(),
        };
        Ok(Some(Arc::new(SlackInbound { signing_secret, users })))
    }

    fn pager(&self, common: &CommonConfig) -> anyhow::Result<Option<Arc<dyn Pager>>> {
        let Some(routing_key) = self.pagerduty_routing_key.clone() else {
            return Ok(None);
        };
        let rest = self.pagerduty_api_token.clone().map(|token| PagerDutyRestSettings {
            token,
            api_url: text_of(self.pagerduty_api_url.as_ref(), pagerduty::DEFAULT_API_URL),
            from: self.pagerduty_from.clone(),
        });
        let settings = PagerDutySettings {
            routing_key,
            events_url: text_of(self.pagerduty_events_url.as_ref(), pagerduty::DEFAULT_EVENTS_URL),
            rest,
            timeout: VENDOR_TIMEOUT,
        };
        Ok(Some(Arc::new(PagerDuty::new(settings, Arc::clone(&common.clock)).context("PagerDuty")?)))
    }
}

fn text_of(url: Option<&reqwest::Url>, default: &str) -> String {
    url.map_or_else(|| default.to_owned(), ToString::to_string)
}

impl Config {
    /// Checks the reporter's own settings.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn new(args: &ReporterArgs, mut common: CommonConfig) -> anyhow::Result<Self> {
        common.tokens = args.with_sessions(&common)?;
        let mut log_only = Vec::new();
        let client = args.slack(&common)?;
        if client.is_none() {
            log_only.push("Slack messages");
        }
        let notifiers = Notifiers::shipped(&common.data_dir, &common.clock, client.clone().map(|it| it as _));
        let messenger: Arc<dyn Messenger> = match client {
            Some(client) => client,
            None => Arc::new(LogOnly),
        };
        let pager = args.pager(&common)?.unwrap_or_else(|| {
            log_only.push("PagerDuty pages");
            Arc::new(LogOnly)
        });
        let names = args.command_env.iter().flat_map(|names| names.split(','));
        let command_env = names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        let slack = args.inbound()?;
        let webhooks = WebhookSecrets { pagerduty: args.pagerduty_webhook_secret.clone() };
        Ok(Self {
            common,
            notifiers,
            messenger,
            pager,
            slack,
            executors: None,
            command_env,
            log_only,
            webhooks,
        })
    }
}
