//! Unleash: the `rollout` of one gradual strategy of a feature is set by its Admin API, and read back (RB-9).
//!
//! Unleash has no lock that holds: a `test` before the `replace` is only a cheap look at what somebody else does meanwhile, and the
//! read-back decides. It takes any text for a share, so that nothing but whole percents is sent.
//!
//! - <https://docs.getunleash.io/reference/api/unleash/patch-feature-strategy>
//! - <https://docs.getunleash.io/reference/api/unleash/get-feature-environment>

mod feature;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::effects::RunTransition;
use domain::executors::share::{EVERYBODY, percent};
use domain::executors::unleash::{NAME, Planned, Settings};
use domain::executors::{Report, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use service_kit::clock::Clock;
use service_kit::outbox::Outcome;
use service_kit::vendors::answer::{self, Answer};
use service_kit::vendors::http::{self, Client, Method, RequestBuilder, Url, header};
use service_kit::vendors::secrets::{Secrets, secret};
use service_kit::vendors::{Code, Meaning, Row, Status, Vendor, VendorSettingsError};

use super::{Executor, ReadBack, Turn};
use crate::kind::{Kind, Opening};
use feature::{Feature, Strategy};

/// The kind.
pub const KIND: Kind<dyn Executor> = Kind::plain(NAME, |_, with| Ok(Arc::new(UnleashExecutor::new(with)?)));

/// What Unleash says of a `test` that failed: somebody else was faster.
const OVERTAKEN: &str = "TEST_OPERATION_FAILED";

/// Sets features of Unleash servers.
pub struct UnleashExecutor {
    client: Client,
    clock: Arc<dyn Clock>,
}

impl UnleashExecutor {
    /// # Errors
    /// The client cannot be built.
    pub fn new(with: &Opening) -> Result<Self, VendorSettingsError> {
        Ok(Self { client: http::client(with.timeout)?, clock: Arc::clone(&with.clock) })
    }

    fn asking(&self, it: &RunTransition) -> Result<Asking<'_>, Outcome> {
        let planned = Planned::of(&it.request).map_err(|error| Outcome::Never {
            reason: format!("the planned share cannot be read: {error}"),
        })?;
        let token = secret(&planned.settings.token)
            .map_err(|error| Outcome::Failed { reason: format!("the token of Unleash: {error}") })?;
        Ok(Asking { by: self, planned, token })
    }
}

/// One look at a feature, or a change of it.
struct Asking<'a> {
    by: &'a UnleashExecutor,
    planned: Planned,
    token: SecretString,
}

impl Asking<'_> {
    /// As it is in its environment.
    async fn feature(&self) -> Result<Feature, Outcome> {
        let answer = self.send(self.request(Method::GET, &[])?).await?;
        let read = serde_json::from_slice(&answer.body);
        read.map_err(|error| Outcome::Failed { reason: format!("Unleash's answer cannot be read: {error}") })
    }

    /// The strategy to be moved. What is not as it is expected to be is for a person to mend; the next attempt looks again.
    fn strategy<'f>(&self, feature: &'f Feature) -> Result<&'f Strategy, Outcome> {
        let found = feature.strategy(&self.planned.settings.strategy);
        found.map_err(|reason| Outcome::Failed { reason: format!("{}: {reason}", self.place()) })
    }

    async fn set(&self, strategy: &Strategy) -> Result<(), Outcome> {
        const ROLLOUT: &str = "/parameters/rollout";
        let patch = json!([
            { "op": "test", "path": ROLLOUT, "value": strategy.rollout() },
            { "op": "replace", "path": ROLLOUT, "value": self.planned.rollout() },
        ]);
        let request = self.request(Method::PATCH, &["strategies", &strategy.id])?.json(&patch);
        self.send(request).await.map(drop)
    }

    /// To the feature in its environment, and what is below it.
    fn request(&self, method: Method, below: &[&str]) -> Result<RequestBuilder, Outcome> {
        let Settings { url, project, environment, feature, .. } = &self.planned.settings;
        let wrong = || Outcome::Never { reason: format!("{url} is no URL") };
        let mut url = Url::parse(url).map_err(|_| wrong())?;
        let path = ["api", "admin", "projects", project, "features", feature, "environments", environment];
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path).extend(below);
        // Without "Bearer".
        Ok(self.by.client.request(method, url).header(header::AUTHORIZATION, self.token.expose_secret()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Outcome> {
        let answer = http::exchange(request, self.by.clock.now()).await?;
        let said: Option<Said> = serde_json::from_slice(&answer.body).ok();
        let code = said.as_ref().filter(|_| answer.status >= 300).map(Said::code);
        let meaning = answer::meaning(UnleashExecutor::TABLE, answer.status, code);
        if meaning == Meaning::Done {
            return Ok(answer);
        }
        let said = said.map_or_else(|| http::excerpt(&answer.body), |it| it.to_string());
        let hint = self.hint(answer.status);
        let said = Secrets::new([self.token.clone()]).scrub(&format!("{} {said}", answer.status));
        Err(answer::outcome(meaning, answer.retry_after, format!("Unleash said {}{hint}", said.trim_end())))
    }

    /// What a status means that says little by itself.
    fn hint(&self, status: u16) -> String {
        match status {
            401 => format!(": the token of {} is not accepted", self.planned.settings.token.words()),
            // Unleash says it of a feature that is not there, too.
            403 => format!(": {} does not exist, or the token may not change it", self.place()),
            404 => format!(": {} or its strategy does not exist", self.place()),
            _ => String::new(),
        }
    }

    /// Of the feature, for people.
    fn place(&self) -> String {
        let Settings { project, environment, feature, .. } = &self.planned.settings;
        format!("feature {feature} of project {project} in environment {environment}")
    }
}

/// An error as Unleash writes it.
#[derive(Debug, Deserialize)]
struct Said {
    name: String,
    #[serde(default)]
    message: String,
}

impl Said {
    fn code(&self) -> &str {
        if self.message.contains(OVERTAKEN) { OVERTAKEN } else { &self.name }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, http::excerpt(self.message.as_bytes()))
    }
}

#[async_trait]
impl Executor for UnleashExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn obstacle(&self, planned: &Request) -> Option<String> {
        let token = Planned::of(planned).ok()?.settings.token;
        secret(&token).err().map(|error| format!("the token of Unleash: {error}"))
    }

    async fn run(&self, it: &RunTransition, _turn: &Turn) -> Result<Report, Outcome> {
        let begun = Instant::now();
        let asking = self.asking(it)?;
        let feature = asking.feature().await?;
        let strategy = asking.strategy(&feature)?;
        let found = feature.served(strategy);
        let goal = asking.planned.share.thousandths;
        if let Some(why) = asking.planned.share.refusal(found) {
            let by = feature.why(strategy).map(|by| format!(" ({by})")).unwrap_or_default();
            return Err(Outcome::Never { reason: format!("{}: {why}{by}", asking.place()) });
        }
        if goal > 0
            && let Some(why) = feature.nobody(strategy)
        {
            return Err(Outcome::Failed {
                reason: format!("{}: {why}, so nobody would get it", asking.place()),
            });
        }
        let is_set = strategy.share() == Some(goal);
        if !is_set {
            asking.set(strategy).await?;
        }
        let summary = if is_set { "Unleash says so already" } else { "Unleash took the share" };
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let facts = [("found".to_owned(), percent(found).into())].into_iter().collect();
        let detail = it.request.words.clone();
        Ok(Report { summary: summary.to_owned(), detail, duration_ms, verified: None, facts })
    }

    async fn read_back(&self, it: &RunTransition) -> Result<ReadBack, Outcome> {
        let asking = self.asking(it)?;
        let feature = asking.feature().await?;
        let strategy = asking.strategy(&feature)?;
        let served = feature.served(strategy);
        if served == asking.planned.share.thousandths {
            return Ok(ReadBack { served: it.to.to_string(), as_asked: true });
        }
        let why = feature.why(strategy).map(|why| format!(" ({why})")).unwrap_or_default();
        Ok(ReadBack { served: format!("{} of users{why}", percent(served.min(EVERYBODY))), as_asked: false })
    }
}

impl Vendor for UnleashExecutor {
    const NAME: &'static str = NAME;
    const REFERENCE: &'static str = "https://docs.getunleash.io/reference/api/unleash/patch-feature-strategy";
    const TABLE: &'static [Row] = TABLE;
}

/// A refusal in Unleash's own form is its last word: people are called at once. Any other may be of what stands between (NO-7). To
/// who would change a feature that does not exist it says 403 without a body, which a proxy may say as well.
const TABLE: &[Row] = &[
    Row::of_status(Status::Is(200), Meaning::Done),
    Row { status: Status::Is(500), code: Code::Is(OVERTAKEN), meaning: Meaning::Failed },
    Row::of_status(Status::Is(429), Meaning::Patience),
    Row::of_status(Status::Is(503), Meaning::Patience),
    Row::of_status(Status::Is(408), Meaning::Failed),
    Row { status: Status::Is(401), code: Code::Other, meaning: Meaning::Never },
    Row { status: Status::Is(403), code: Code::Other, meaning: Meaning::Never },
    Row { status: Status::Is(404), code: Code::Other, meaning: Meaning::Never },
    Row::of_status(Status::Is(401), Meaning::Refused),
    Row::of_status(Status::Is(403), Meaning::Refused),
    Row::of_status(Status::Is(404), Meaning::Refused),
    Row::of_status(Status::Is(407), Meaning::Refused),
    Row::of_status(Status::Class(4), Meaning::Never),
    Row::of_status(Status::Class(5), Meaning::Unknown),
    Row::of_status(Status::Class(3), Meaning::Failed),
];
