//! PagerDuty: Events API v2 to open, acknowledge and resolve (ES-1, ES-2, ES-4); with a REST token also
//! the incident's priority and its acknowledgement (ES-3).
//!
//! One incident of ours is one dedup key of theirs, always the same, so a repeat joins what is already there. 202 means accepted, not yet an incident.
//!
//! - <https://developer.pagerduty.com/docs/events-api-v2-overview>
//! - <https://developer.pagerduty.com/docs/send-alert-event>
//! - <https://developer.pagerduty.com/docs/rest-api-rate-limits>

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use service_kit::vendors::http::{Client, RequestBuilder, Url};
use shared_types::Via;

use super::event;
use crate::pagers::Pager;
use crate::ways::Look;
use domain::effects::{CheckPageAcknowledged, PageNotice, ResolvePage, SetPagePriority, TriggerPage};
use service_kit::vendors::answer::{self, Answer};
use service_kit::vendors::secrets::Secrets;
use service_kit::vendors::{Code, Meaning, Row, Status, Vendor, VendorSettingsError, http};

/// PagerDuty's own base URLs (US service region).
pub const DEFAULT_EVENTS_URL: &str = "https://events.pagerduty.com";
pub const DEFAULT_API_URL: &str = "https://api.pagerduty.com";

/// How PagerDuty is reached. Printing it shows no secret.
#[derive(Debug, Clone)]
pub struct PagerDutySettings {
    /// The integration key of the service.
    pub routing_key: SecretString,
    pub events_url: String,
    pub rest: Option<PagerDutyRestSettings>,
    /// For one call; must be shorter than the outbox lease.
    pub timeout: Duration,
}

/// The REST API, for priorities and acknowledgements.
#[derive(Debug, Clone)]
pub struct PagerDutyRestSettings {
    pub token: SecretString,
    pub api_url: String,
    /// A user's e-mail address, which account tokens must name to change an incident.
    pub from: Option<String>,
}

/// A PagerDuty client.
pub struct PagerDuty {
    pub(super) client: Client,
    enqueue: Url,
    routing_key: SecretString,
    pub(super) rest: Option<Rest>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

pub(super) struct Rest {
    pub(super) base: Url,
    pub(super) token: SecretString,
    pub(super) from: Option<String>,
}

impl PagerDuty {
    /// Checks the settings and builds the client.
    ///
    /// # Errors
    /// A URL that is none, or a client that cannot be built.
    pub fn new(settings: PagerDutySettings, clock: Arc<dyn Clock>) -> Result<Self, VendorSettingsError> {
        let client = http::client(settings.timeout)?;
        let setting = "PAGERDUTY_EVENTS_URL";
        let enqueue = http::base_url(setting, &settings.events_url)?
            .join("v2/enqueue")
            .map_err(|_| VendorSettingsError::Invalid { setting, expected: "a base URL" })?;
        let rest = match settings.rest {
            None => None,
            Some(rest) => Some(Rest {
                base: http::base_url("PAGERDUTY_API_URL", &rest.api_url)?,
                token: rest.token,
                from: rest.from,
            }),
        };
        let token = rest.as_ref().map(|rest| rest.token.clone());
        let secrets = Secrets::new([settings.routing_key.clone()].into_iter().chain(token));
        Ok(Self { client, enqueue, routing_key: settings.routing_key, rest, secrets, clock })
    }

    /// Whether priorities can be set and acknowledgements looked up.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    async fn enqueue(&self, mut event: Value) -> Outcome {
        let key = event["dedup_key"].clone();
        event["routing_key"] = json!(self.routing_key.expose_secret());
        let taken = |body: &[u8]| confirmed(body, &key);
        match self.ask(self.client.post(self.enqueue.clone()).json(&event), Self::TABLE, taken).await {
            Ok(_) => Outcome::Done(json!({ "dedup_key": key })),
            Err(outcome) => outcome,
        }
    }

    /// One exchange; anything but "done" comes back as the outcome it means. `code` reads the body.
    pub(super) async fn ask(
        &self,
        request: RequestBuilder,
        table: &[Row],
        code: impl Fn(&[u8]) -> Option<&'static str>,
    ) -> Result<Answer, Outcome> {
        let answer = http::exchange(request, self.clock.now()).await?;
        let meaning = answer::meaning(table, answer.status, code(&answer.body));
        if meaning == Meaning::Done {
            return Ok(answer);
        }
        let reason = format!("{} {}", answer.status, http::excerpt(&answer.body));
        Err(answer::outcome(meaning, answer.retry_after, self.secrets.scrub(reason.trim_end())))
    }
}

impl std::fmt::Debug for PagerDuty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PagerDuty").field("rest", &self.has_rest()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Pager for PagerDuty {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        self.enqueue(event::trigger(page)).await
    }

    async fn notice(&self, notice: &PageNotice) -> Outcome {
        self.enqueue(event::notice(notice)).await
    }

    async fn try_out(&self, notice: &PageNotice) -> Outcome {
        match self.notice(notice).await {
            Outcome::Done(_) => self.enqueue(event::resolve(&notice.dedup_key)).await,
            other => other,
        }
    }

    async fn look(&self) -> Look {
        let receiver = self.enqueue.origin().ascii_serialization();
        let look = match self.ask_rest().await {
            None => Look::ok("an integration key is set; whether it is good only a test page shows"),
            Some(Ok(())) => {
                Look::ok("the REST token is good; whether the integration key is, only a test page shows")
            }
            Some(Err(outcome)) => Look::failing(format!(
                "the REST token: {}",
                outcome.reason().unwrap_or("it was not answered")
            )),
        };
        look.at(receiver)
    }

    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome {
        self.put_priority(&priority.dedup_key, &priority.priority).await.unwrap_or_else(|outcome| outcome)
    }

    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        self.enqueue(event::resolve(&page.dedup_key)).await
    }

    async fn acknowledged(&self, page: &CheckPageAcknowledged) -> Outcome {
        self.find_acknowledgement(&page.dedup_key).await.unwrap_or_else(|outcome| outcome)
    }

    fn via(&self) -> Via {
        Via::Pagerduty
    }
}

impl Vendor for PagerDuty {
    const NAME: &'static str = "pagerduty";
    const REFERENCE: &'static str = "https://developer.pagerduty.com/docs/events-api-v2-overview";
    const TABLE: &'static [Row] = TABLE;
}

/// What a taken event is answered with: its status, and the key under which it is known now.
fn confirmed(body: &[u8], key: &Value) -> Option<&'static str> {
    let said: Value = serde_json::from_slice(body).ok()?;
    (said["status"] == TAKEN && said["dedup_key"] == *key).then_some(TAKEN)
}

const TAKEN: &str = "success";

/// An event is taken if 202 says so and repeats its key; whatever else answers with 2xx (a proxy's page, nothing at all) is not
/// PagerDuty, and the dedup key makes asking again harmless (NO-7). 400 must never be sent again, 429 and 5xx are tried again; a
/// 5xx promises nothing about the event.
const TABLE: &[Row] = &[
    Row { status: Status::Is(202), code: Code::Is(TAKEN), meaning: Meaning::Done },
    Row::of_status(Status::Class(2), Meaning::Unknown),
    Row::of_status(Status::Is(401), Meaning::Refused),
    Row::of_status(Status::Is(403), Meaning::Refused),
    Row::of_status(Status::Is(404), Meaning::Refused),
    Row::of_status(Status::Is(407), Meaning::Refused),
    Row::of_status(Status::Is(429), Meaning::Patience),
    Row::of_status(Status::Is(503), Meaning::Patience),
    Row::of_status(Status::Is(408), Meaning::Failed),
    Row::of_status(Status::Class(3), Meaning::Failed),
    Row::of_status(Status::Class(4), Meaning::Never),
    Row::of_status(Status::Class(5), Meaning::Unknown),
];
