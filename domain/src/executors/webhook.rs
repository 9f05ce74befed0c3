//! A signed webhook: a system of one's own is told the phase to reach, and says what came of it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use shared_types::rollout::TransitionKind;
use shared_types::{IncidentId, PhaseId, SecretFrom};

use super::share::{self, Share};
use super::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Request};
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text};
use crate::server;

/// Its name.
pub const NAME: &str = "webhook";

/// The kind.
#[derive(Debug, Clone, Copy)]
pub struct Webhook;

/// A receiver of signed webhooks (Standard Webhooks) that moves the flag: it is told the phase and the share of users to reach.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    /// Where moves are sent (`POST`).
    url: Text,
    /// Variable of the environment that holds the secret (`whsec_…`), or several with a space between while one takes the other's place.
    secret_env: Option<Text>,
    /// File that holds the same; read anew each time.
    secret_file: Option<Text>,
    /// Sent along with each request. Never a secret.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// Where the phase that is served is asked for (`GET`): a JSON object with `phase`, or the bare phase or share.
    verify: Option<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub url: String,
    pub secret: SecretFrom,
    pub headers: BTreeMap<String, String>,
    pub verify: Option<String>,
}

impl ExecutorKind for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(RawWebhook::json_schema(generator))
    }

    fn check(&self, section: &Section) -> Result<Box<dyn Planner>, Wrong> {
        let raw: RawWebhook = section.read()?;
        let secret = server::secret(section, "secret", raw.secret_env.as_ref(), raw.secret_file.as_ref())?;
        Ok(Box::new(Settings {
            url: server::address(section, "url", &raw.url)?,
            secret: secret.ok_or_else(|| section.missing("secret_env"))?,
            headers: server::headers(section, &raw.headers)?,
            verify: raw.verify.as_ref().map(|url| server::address(section, "verify", url)).transpose()?,
        }))
    }
}

impl From<Settings> for ExecutorPolicy {
    fn from(settings: Settings) -> Self {
        Self::new(NAME, Box::new(settings) as Box<dyn Planner>)
    }
}

/// A request's own part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    #[serde(flatten)]
    pub settings: Settings,
    pub share: Share,
    /// The phases that the receiver may find, as far as Phasegate knows.
    pub expected: Vec<PhaseId>,
    /// As [`share::served_alike`].
    pub served: Vec<String>,
    pub incident: Option<IncidentId>,
    pub reason: String,
}

impl Planned {
    /// Of a request.
    ///
    /// # Errors
    /// It is not one of a webhook.
    pub fn of(request: &Request) -> Result<Self, serde_json::Error> {
        Self::deserialize(&request.data)
    }
}

impl Planner for Settings {
    fn plan(&self, facts: &Facts<'_>) -> Request {
        let share = Share::of(facts);
        // A rollback may find a move up half made: the phase above is no surprise then.
        let above = (facts.kind == TransitionKind::Rollback).then(|| facts.above.clone());
        let mut expected = vec![facts.from.clone(), facts.to.clone()];
        expected.extend(above);
        expected.dedup();
        Request {
            kind: NAME.to_owned(),
            words: format!("webhook {}: {} at {} of users", self.url, facts.to, share.words()),
            reads_back: self.verify.is_some(),
            data: crate::stored::plain(&Planned {
                settings: self.clone(),
                share,
                expected,
                served: share::served_alike(facts),
                incident: facts.incident.cloned(),
                reason: facts.reason.to_owned(),
            }),
        }
    }

    fn describe(&self) -> Description {
        let Self { url, secret, headers, verify } = self;
        let mut settings = vec![("webhook", url.clone()), ("secret", secret.words())];
        if !headers.is_empty() {
            let headers: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            settings.push(("headers", headers.join(", ")));
        }
        Description { settings, read_back: verify.clone() }
    }
}
