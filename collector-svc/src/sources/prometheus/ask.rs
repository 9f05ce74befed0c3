//! One instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::server::Auth;
use serde::de::DeserializeOwned;
use service_kit::vendors::answer::Answer as Answered;
use service_kit::vendors::http::{self, Client, Url, excerpt};
use service_kit::vendors::secrets::Secrets;
use shared_types::{TargetName, Timestamp};
use tokio::runtime::{Handle, Id};

use super::answer::{Answer, Number, Numbers};
use super::count::Series;
use super::series::Said;
use super::together::{Share, Together};
use crate::sources::SourceError;
use crate::sources::auth::Signer;

/// How much of an answer is read: a million samples and more.
const ANSWER_MAX: usize = 64 << 20;

/// Where queries go, and as whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::sources) struct Endpoint {
    pub(in crate::sources) url: String,
    /// Of the API, below the server's.
    pub(in crate::sources) path: &'static str,
    pub(in crate::sources) headers: BTreeMap<String, String>,
    pub(in crate::sources) auth: Option<Auth>,
    pub(in crate::sources) timeout: Duration,
    /// Warnings that do not say that the answer is not whole.
    pub(in crate::sources) harmless: &'static [&'static str],
}

/// A connection lives in the runtime that made it.
type Key = (Option<Id>, Endpoint);

/// Servers that are asked.
static SERVERS: LazyLock<Mutex<HashMap<Key, Weak<Server>>>> = LazyLock::new(Mutex::default);

/// What answers them: one for all targets of a process that ask it as the same.
#[derive(Debug)]
pub(in crate::sources) struct Server {
    endpoint: Endpoint,
    client: Client,
    url: Url,
    signer: Signer,
    pub(super) samples: Together<Arc<Said<Series>>>,
    pub(super) sums: Together<Arc<Said<Number>>>,
    numbers: Together<Arc<Numbers>>,
}

/// Who asks for what, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) target: &'a TargetName,
    /// The moment that is asked for.
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
}

impl Server {
    /// The one that all ask who ask it as the same.
    pub(in crate::sources) fn of(endpoint: Endpoint) -> Result<Arc<Self>, SourceError> {
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Handle::try_current().ok().map(|it| it.id()), endpoint);
        if let Some(server) = servers.get(&key).and_then(Weak::upgrade) {
            return Ok(server);
        }
        servers.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Self::new(key.1.clone())?);
        servers.insert(key, Arc::downgrade(&server));
        Ok(server)
    }

    fn new(endpoint: Endpoint) -> Result<Self, SourceError> {
        let Endpoint { url, path, auth, timeout, .. } = &endpoint;
        let failed = |reason: String| SourceError::Io { what: url.clone(), reason };
        let base = http::base_url("url", url).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            client: http::client(*timeout).map_err(|error| failed(error.to_string()))?,
            url: base.join(path).map_err(|error| failed(error.to_string()))?,
            signer: Signer::new(auth.clone()),
            samples: Together::default(),
            sums: Together::default(),
            numbers: Together::default(),
            endpoint,
        })
    }

    /// The error that something is wrong with what it has.
    pub(in crate::sources) fn says(&self, reason: String) -> SourceError {
        SourceError::Io { what: self.endpoint.url.clone(), reason }
    }

    /// What a query gives that is not of raw samples: the same for all who ask it.
    pub(super) async fn numbers(&self, query: &str, asker: Asker<'_>) -> Result<Arc<Numbers>, SourceError> {
        let ask = |shares: Vec<Share>| async move {
            let numbers = Arc::new(self.answer(query, asker).await?);
            Ok(vec![numbers; shares.len()])
        };
        let share = (asker.target.clone(), 0);
        let numbers = self.numbers.ask((query.to_owned(), asker.at), share, ask).await?;
        numbers.ok_or_else(|| self.says(format!("`{query}`: not answered")))
    }

    /// Work that takes long, apart from what waits.
    pub(super) async fn apart<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, SourceError> {
        tokio::task::spawn_blocking(work).await.map_err(|error| self.says(error.to_string()))
    }

    /// What a query gives at a moment.
    pub(super) async fn answer<T: DeserializeOwned + Send + 'static>(
        &self,
        query: &str,
        asker: Asker<'_>,
    ) -> Result<T, SourceError> {
        let ms = asker.at.as_millis();
        let time = format!("{}.{:03}", ms / 1000, ms % 1000);
        let form = [("query", query), ("time", &time)];
        let (mut answer, mut secrets) = self.exchange(&form, asker.now).await?;
        if answer.status == 401 && self.signer.forget_token().await {
            (answer, secrets) = self.exchange(&form, asker.now).await?;
        }
        let Answered { status, body, .. } = answer;
        let failed = |reason: String| self.says(format!("`{}`: {}", query, secrets.scrub(&reason)));
        if body.len() >= ANSWER_MAX {
            return Err(failed(format!("the answer is longer than {} MiB: select less", ANSWER_MAX >> 20)));
        }
        let parse = move || (serde_json::from_slice::<Answer<T>>(&body).ok(), body);
        let (parsed, body) = self.apart(parse).await?;
        match (status, parsed) {
            (200, Some(Answer { status, data: Some(data), warnings, .. })) if status == "success" => {
                // What is partial says so here (Thanos, Mimir, and a limit that was hit).
                let is_harmless = |warning: &&String| self.endpoint.harmless.contains(&warning.as_str());
                match warnings.iter().find(|warning| !is_harmless(warning)) {
                    Some(warning) => Err(failed(format!("the answer is not whole: {warning}"))),
                    None => Ok(data.result),
                }
            }
            (status, Some(Answer { error: Some(error), .. })) => {
                Err(failed(format!("HTTP {status}: {error}")))
            }
            (status, _) => Err(failed(format!("HTTP {status}: {}", excerpt(&body)))),
        }
    }

    /// One request and its answer, with what must not be told of it.
    async fn exchange(
        &self,
        form: &[(&str, &str); 2],
        now: Timestamp,
    ) -> Result<(Answered, Secrets), SourceError> {
        let mut request = self.client.post(self.url.clone()).form(form);
        for (name, value) in &self.endpoint.headers {
            request = request.header(name, value);
        }
        let signed = self.signer.sign(request, &self.client, now).await;
        let (request, secrets) = signed.map_err(|reason| self.says(reason))?;
        match http::exchange_up_to(ANSWER_MAX, request, now).await {
            Ok(answer) => Ok((answer, secrets)),
            Err(outcome) => {
                let reason = secrets.scrub(outcome.reason().unwrap_or_default());
                Err(self.says(format!("`{}`: {reason}", form[0].1)))
            }
        }
    }
}
