//! A signed webhook: the receiver is told the phase to reach and says what came of it (RB-9). Signed as Standard Webhooks has it
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>): the id is the transition's, the
//! same in every attempt, so that a receiver knows a repeat.
//!
//! A phase in the answer is what is served. `202` is *not yet*: `verify` is looked at, or the same asked again, until the time of the
//! attempt is over.

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::effects::RunTransition;
use domain::executors::webhook::{NAME, Planned, Settings};
use domain::executors::{Report, Request, share};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use service_kit::vendors::answer::{self, Answer};
use service_kit::vendors::http::{self, Client, Method, header};
use service_kit::vendors::secrets::{Secrets, secret};
use service_kit::vendors::signature::WebhookHeaders;
use service_kit::vendors::{Meaning, Row, Status, Vendor, VendorSettingsError};
use shared_types::{Epoch, IncidentId, PhaseId, TargetName, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Executor, ReadBack, Turn};
use crate::kind::{Kind, Opening};

/// The kind.
pub const KIND: Kind<dyn Executor> = Kind::plain(NAME, |_, with| Ok(Arc::new(WebhookExecutor::new(with)?)));

/// What a move is called in the body.
const TYPE: &str = "phasegate.transition";
/// How soon it is asked again after *not yet*, unless the receiver says otherwise.
const POLL: Duration = Duration::from_secs(1);

/// Tells receivers of webhooks.
pub struct WebhookExecutor {
    client: Client,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

/// The body of a move.
#[derive(Debug, Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Move<'a>,
}

/// What is to be reached, and from where.
#[derive(Debug, Serialize)]
struct Move<'a> {
    target: &'a TargetName,
    kind: &'static str,
    from: &'a PhaseId,
    to: &'a PhaseId,
    /// Percent of users in the phase to reach.
    audience_percent: f64,
    /// The phases it may be found in; in another one the receiver answers 409.
    expected: &'a [PhaseId],
    epoch: Epoch,
    /// Higher than that of every attempt before.
    fence: u64,
    incident: Option<&'a IncidentId>,
    reason: &'a str,
    /// By then the attempt is given up, and may be made again.
    deadline: Timestamp,
}

/// What a receiver may say of itself.
#[derive(Debug, Default, Deserialize)]
struct Told {
    phase: Option<String>,
}

/// What an attempt at a move came to.
enum Reply {
    /// The phase that is served, where it says so.
    Made(Option<String>),
    NotYet(Option<Duration>),
}

impl WebhookExecutor {
    /// # Errors
    /// The client cannot be built.
    pub fn new(with: &Opening) -> Result<Self, VendorSettingsError> {
        let (client, clock, stop) = (http::client(with.timeout)?, Arc::clone(&with.clock), with.stop.clone());
        Ok(Self { client, clock, stop })
    }

    fn asking<'a>(&'a self, it: &'a RunTransition) -> Result<Asking<'a>, Outcome> {
        let planned = Planned::of(&it.request).map_err(|error| Outcome::Never {
            reason: format!("the planned move cannot be read: {error}"),
        })?;
        let secret = secret(&planned.settings.secret)
            .map_err(|error| Outcome::Failed { reason: format!("the webhook's secret: {error}") })?;
        Ok(Asking { by: self, it, planned, secret })
    }
}

/// One move, or one look.
struct Asking<'a> {
    by: &'a WebhookExecutor,
    it: &'a RunTransition,
    planned: Planned,
    secret: SecretString,
}

impl Asking<'_> {
    fn body(&self, fence: u64) -> String {
        let RunTransition { target, kind, from, to, epoch, timeout_ms, .. } = self.it;
        let Planned { share, expected, incident, reason, .. } = &self.planned;
        let timestamp = self.by.clock.now();
        let body = Body {
            r#type: TYPE,
            timestamp,
            data: Move {
                target,
                kind: kind.into(),
                from,
                to,
                audience_percent: f64::from(share.thousandths) / 1000.0,
                expected,
                epoch: *epoch,
                fence,
                incident: incident.as_ref(),
                reason,
                deadline: timestamp.plus(Duration::from_millis(*timeout_ms)),
            },
        };
        domain::stored::plain_text(&body)
    }

    /// Signed, sent and answered.
    async fn send(&self, method: Method, url: &str, body: String) -> Result<Answer, Outcome> {
        let now = self.by.clock.now();
        let id = self.it.transition.to_string();
        let signed = WebhookHeaders::sign(&self.secret, &id, now.as_millis() / 1000, &body);
        let WebhookHeaders { id, timestamp, signature } = signed.map_err(|error| Outcome::Failed {
            reason: format!("the webhook's secret ({}): {error}", self.planned.settings.secret.words()),
        })?;
        let mut request = self.by.client.request(method, url);
        for (name, value) in &self.planned.settings.headers {
            request = request.header(name, value);
        }
        let request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .header(header::CONTENT_TYPE, "application/json");
        http::exchange(request.body(body), now).await
    }

    async fn make(&self, fence: u64) -> Result<Reply, Outcome> {
        let answer = self.send(Method::POST, &self.planned.settings.url, self.body(fence)).await?;
        let told = || serde_json::from_slice::<Told>(&answer.body).unwrap_or_default();
        match answer.status {
            202 => return Ok(Reply::NotYet(answer.retry_after)),
            409 => {
                let found = told().phase.unwrap_or_else(|| self.said(&answer));
                let expected: Vec<&str> = self.planned.expected.iter().map(PhaseId::as_str).collect();
                let reason = format!(
                    "the receiver found {found} where {} was expected: somebody else has moved it",
                    expected.join(" or ")
                );
                return Err(Outcome::Never { reason });
            }
            _ => {}
        }
        let meaning = answer::meaning(WebhookExecutor::TABLE, answer.status, None);
        if meaning == Meaning::Done {
            return Ok(Reply::Made(told().phase));
        }
        let off = if answer.status == 410 { ": the receiver takes no webhooks any more" } else { "" };
        let reason = format!("the receiver said {}{off}", self.said(&answer));
        Err(answer::outcome(meaning, answer.retry_after, reason))
    }

    /// After *not yet*: looked at where that can be, else asked for once more, which is as once.
    async fn again(&self, fence: u64) -> Result<Reply, Outcome> {
        let Some(url) = &self.planned.settings.verify else { return self.make(fence).await };
        Ok(match self.look(url).await {
            Ok(ReadBack { served, as_asked: true }) => Reply::Made(Some(served)),
            Ok(_) | Err(Outcome::Failed { .. }) => Reply::NotYet(None),
            Err(Outcome::Postponed { after, .. }) => Reply::NotYet(Some(after)),
            Err(outcome) => return Err(outcome),
        })
    }

    fn said(&self, answer: &Answer) -> String {
        let said = format!("{} {}", answer.status, http::excerpt(&answer.body));
        let parts = secrecy::ExposeSecret::expose_secret(&self.secret).split_whitespace();
        Secrets::new(parts.map(SecretString::from)).scrub(said.trim_end())
    }

    /// Whether what the receiver says is the phase to reach, or one that cannot be told from it.
    fn is_served(&self, phase: &str) -> bool {
        share::is_served(&self.it.to, &self.planned.served, phase)
    }

    async fn look(&self, url: &str) -> Result<ReadBack, Outcome> {
        let answer = self.send(Method::GET, url, String::new()).await?;
        let meaning = answer::meaning(WebhookExecutor::TABLE, answer.status, None);
        if meaning != Meaning::Done {
            let reason = format!("the phase could not be read back: {}", self.said(&answer));
            return Err(match answer::outcome(meaning, answer.retry_after, reason) {
                postponed @ Outcome::Postponed { .. } => postponed,
                other => Outcome::Failed { reason: other.reason().unwrap_or_default().to_owned() },
            });
        }
        let phase = match serde_json::from_slice(&answer.body) {
            Ok(Told { phase: Some(phase) }) => phase,
            _ => http::excerpt(&answer.body),
        };
        if phase.is_empty() {
            return Err(Outcome::Failed { reason: "the phase was read back as nothing".to_owned() });
        }
        Ok(ReadBack { as_asked: self.is_served(&phase), served: phase })
    }
}

#[async_trait]
impl Executor for WebhookExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn obstacle(&self, planned: &Request) -> Option<String> {
        let from = Planned::of(planned).ok()?.settings.secret;
        let found = secret(&from).and_then(|it| {
            WebhookHeaders::sign(&it, "", 0, "").map_err(|error| format!("{}: {error}", from.words()))
        });
        found.err().map(|error| format!("the webhook's secret: {error}"))
    }

    async fn run(&self, it: &RunTransition, turn: &Turn) -> Result<Report, Outcome> {
        let begun = Instant::now();
        let asking = self.asking(it)?;
        let until = begun + Duration::from_millis(it.timeout_ms);
        let mut asked = 0;
        let mut reply = asking.make(turn.fence).await?;
        let said = loop {
            asked += 1;
            let again = match reply {
                Reply::Made(phase) => break phase,
                Reply::NotYet(again) => again.unwrap_or(POLL),
            };
            if Instant::now() + again > until || turn.lease.term().give_up.is_over() {
                let reason = "the receiver accepted the move (202), and has not made it in time".to_owned();
                return Err(Outcome::Failed { reason });
            }
            tokio::select! {
                () = self.stop.cancelled() => {
                    return Err(Outcome::Unknown { reason: "the receiver had not made the move yet".to_owned() });
                }
                () = tokio::time::sleep(again) => {}
            }
            reply = asking.again(turn.fence).await?;
        };
        if let Some(phase) = said.as_ref().filter(|phase| !asking.is_served(phase)) {
            let reason = format!("the receiver says that it serves {phase:?} where {} was asked for", it.to);
            return Err(Outcome::Failed { reason });
        }
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let summary = match &said {
            Some(phase) => format!("the receiver serves {phase}"),
            None => "the receiver took the move".to_owned(),
        };
        let facts = [("requests".to_owned(), asked.into())].into_iter().collect();
        Ok(Report { summary, detail: it.request.words.clone(), duration_ms, verified: said, facts })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let asking = self.asking(it)?;
        match &asking.planned.settings {
            Settings { verify: Some(url), .. } => asking.look(url).await,
            Settings { verify: None, .. } => {
                Err(Outcome::Failed { reason: "the webhook has no `verify` to read back from".to_owned() })
            }
        }
    }
}

impl Vendor for WebhookExecutor {
    const NAME: &'static str = NAME;
    const REFERENCE: &'static str =
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md";
    const TABLE: &'static [Row] = TABLE;
}

/// The id makes a repeat harmless, so that a receiver's own trouble is no more than a failure. `410`: it takes no webhooks any more.
/// What a proxy may say as well is tried along the schedule (NO-7).
const TABLE: &[Row] = &[
    Row::of_status(Status::Class(2), Meaning::Done),
    Row::of_status(Status::Is(429), Meaning::Patience),
    Row::of_status(Status::Is(503), Meaning::Patience),
    Row::of_status(Status::Is(401), Meaning::Refused),
    Row::of_status(Status::Is(403), Meaning::Refused),
    Row::of_status(Status::Is(404), Meaning::Refused),
    Row::of_status(Status::Is(407), Meaning::Refused),
    Row::of_status(Status::Is(408), Meaning::Failed),
    Row::of_status(Status::Is(425), Meaning::Failed),
    Row::of_status(Status::Class(4), Meaning::Never),
    Row::of_status(Status::Class(5), Meaning::Failed),
    Row::of_status(Status::Class(3), Meaning::Failed),
];
