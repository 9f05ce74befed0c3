//! PagerDuty, all of it: what it can be told, the client that pages, and the events that come back. Its name, and what pages
//! are kept under, stand in `domain::pagers`.

mod client;
mod event;
mod receive;
mod rest;
#[cfg(test)]
pub(crate) mod tests;
pub mod webhook;

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Extension;
use clap::{ArgMatches, Args as _, FromArgMatches as _};
use domain::effects::{CheckPageAcknowledged, PageNotice, ResolvePage, SetPagePriority, TriggerPage};
use domain::pagers::PAGER;
use secrecy::SecretString;
use service_kit::config::{header_secret, http_url, secret};
use service_kit::outbox::Outcome;
use service_kit::vendors::http::Url;
use shared_types::Via;
use utoipa_axum::router::OpenApiRouter;

use super::{LogPager, Pager};
use crate::api::App;
use crate::kind::{Kind, Opening};
use crate::ways::Look;

pub use client::{DEFAULT_API_URL, DEFAULT_EVENTS_URL, PagerDuty, PagerDutyRestSettings, PagerDutySettings};
pub use receive::{WebhookOutcome, WebhookReceipt, WebhookSecret, routes};

/// The kind.
pub const KIND: Kind<dyn Pager> =
    Kind { name: PAGER.name, arguments: PagerDutyArgs::augment_args, open, routes };

/// What PagerDuty can be told.
#[derive(Clone, clap::Args)]
struct PagerDutyArgs {
    /// Integration key of the PagerDuty service (Events API v2); without it pages go to the log only
    #[arg(long, env = "PAGERDUTY_ROUTING_KEY", value_name = "KEY", value_parser = secret)]
    pagerduty_routing_key: Option<SecretString>,
    /// Base URL of PagerDuty's events
    #[arg(long, env = "PAGERDUTY_EVENTS_URL", value_name = "URL", value_parser = http_url,
          default_value = DEFAULT_EVENTS_URL)]
    pagerduty_events_url: Url,
    /// PagerDuty REST token: priorities and acknowledgements
    #[arg(long, env = "PAGERDUTY_API_TOKEN", value_name = "TOKEN", value_parser = header_secret)]
    pagerduty_api_token: Option<SecretString>,
    /// Base URL of PagerDuty's REST API
    #[arg(long, env = "PAGERDUTY_API_URL", value_name = "URL", value_parser = http_url,
          default_value = DEFAULT_API_URL)]
    pagerduty_api_url: Url,
    /// E-mail address of the PagerDuty user in whose name incidents are changed
    #[arg(long, env = "PAGERDUTY_FROM", value_name = "EMAIL")]
    pagerduty_from: Option<String>,
    /// Secret that PagerDuty signs its webhooks with; without it `/v1/webhooks/pagerduty` is not there
    #[arg(long, env = "PAGERDUTY_WEBHOOK_SECRET", value_name = "SECRET", value_parser = secret)]
    pagerduty_webhook_secret: Option<SecretString>,
}

fn open(told: &ArgMatches, with: &Opening) -> anyhow::Result<Arc<dyn Pager>> {
    let args = PagerDutyArgs::from_arg_matches(told)?;
    let client = args.client(with)?.map(|client| Box::new(client) as Box<dyn Pager>);
    let configured = client.is_some();
    let pages = client.unwrap_or_else(|| Box::new(LogPager { stands_for: PAGER.name, via: Via::Pagerduty }));
    Ok(Arc::new(Configured { pages, configured, secret: args.pagerduty_webhook_secret.map(WebhookSecret) }))
}

impl PagerDutyArgs {
    fn client(&self, with: &Opening) -> anyhow::Result<Option<PagerDuty>> {
        let Some(routing_key) = self.pagerduty_routing_key.clone() else { return Ok(None) };
        let rest = self.pagerduty_api_token.clone().map(|token| PagerDutyRestSettings {
            token,
            api_url: self.pagerduty_api_url.to_string(),
            from: self.pagerduty_from.clone(),
        });
        let events_url = self.pagerduty_events_url.to_string();
        let settings = PagerDutySettings { routing_key, events_url, rest, timeout: with.timeout };
        Ok(Some(PagerDuty::new(settings, Arc::clone(&with.clock)).context("PagerDuty")?))
    }
}

/// As far as it was told: without a routing key pages go to the log, without a secret no event is believed.
struct Configured {
    pages: Box<dyn Pager>,
    configured: bool,
    secret: Option<WebhookSecret>,
}

#[async_trait]
impl Pager for Configured {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        self.pages.trigger(page).await
    }

    async fn notice(&self, notice: &PageNotice) -> Outcome {
        self.pages.notice(notice).await
    }

    async fn try_out(&self, notice: &PageNotice) -> Outcome {
        self.pages.try_out(notice).await
    }

    async fn look(&self) -> Look {
        self.pages.look().await
    }

    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome {
        self.pages.set_priority(priority).await
    }

    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        self.pages.resolve(page).await
    }

    async fn acknowledged(&self, page: &CheckPageAcknowledged) -> Outcome {
        self.pages.acknowledged(page).await
    }

    fn via(&self) -> Via {
        self.pages.via()
    }

    fn log_only(&self) -> Option<&'static str> {
        (!self.configured).then_some("PagerDuty pages")
    }

    fn admit(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        match &self.secret {
            Some(secret) => routes.layer(Extension(secret.clone())),
            None => routes,
        }
    }
}
