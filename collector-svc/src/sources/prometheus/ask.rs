//! One instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use std::collections::BTreeMap;
use std::time::Duration;

use domain::sources::server::Auth;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use service_kit::vendors::answer::Answer as Answered;
use service_kit::vendors::http::{self, Client, Url, excerpt};
use service_kit::vendors::secrets::Secrets;
use shared_types::Timestamp;

use super::count::Sample;
use crate::sources::SourceError;
use crate::sources::auth::Signer;

/// How much of an answer is read: a million samples and more.
const ANSWER_MAX: usize = 64 << 20;

/// Where queries go, and as whose.
#[derive(Debug)]
pub(in crate::sources) struct Endpoint<'a> {
    pub(in crate::sources) url: &'a str,
    /// Of the API, below the server's.
    pub(in crate::sources) path: &'static str,
    pub(in crate::sources) headers: &'a BTreeMap<String, String>,
    pub(in crate::sources) auth: Option<&'a Auth>,
    pub(in crate::sources) timeout: Duration,
    /// Warnings that do not say that the answer is not whole.
    pub(in crate::sources) harmless: &'static [&'static str],
}

/// What answers them.
#[derive(Debug)]
pub(in crate::sources) struct Server {
    client: Client,
    what: String,
    url: Url,
    headers: BTreeMap<String, String>,
    signer: Signer,
    harmless: &'static [&'static str],
}

#[derive(Deserialize)]
struct Answer<T> {
    status: String,
    data: Option<Data<T>>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Data<T> {
    result: T,
}

/// What a query gives that is not of raw samples.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Numbers {
    OfSeries(Vec<Number>),
    OfLines(Vec<Lines>),
    Scalar(Sample),
}

/// The value of a series; none of one that has a histogram, or several samples.
#[derive(Serialize, Deserialize)]
pub(super) struct Number {
    pub(super) metric: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Sample>,
}

/// Lines of a log, which an older Loki gives.
#[derive(Deserialize)]
pub(super) struct Lines {
    #[serde(rename = "stream")]
    _stream: IgnoredAny,
}

impl Server {
    pub(in crate::sources) fn new(endpoint: &Endpoint<'_>) -> Result<Self, SourceError> {
        let Endpoint { url, path, headers, auth, timeout, harmless } = *endpoint;
        let what = url.to_owned();
        let failed = |reason: String| SourceError::Io { what: what.clone(), reason };
        let base = http::base_url("url", url).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            client: http::client(timeout).map_err(|error| failed(error.to_string()))?,
            url: base.join(path).map_err(|error| failed(error.to_string()))?,
            headers: headers.clone(),
            signer: Signer::new(auth.cloned()),
            harmless,
            what,
        })
    }

    /// The error that something is wrong with what it has.
    pub(in crate::sources) fn says(&self, reason: String) -> SourceError {
        SourceError::Io { what: self.what.clone(), reason }
    }

    /// What a query gives at a moment.
    pub(super) async fn answer<T: DeserializeOwned>(
        &self,
        query: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<T, SourceError> {
        let ms = at.as_millis();
        let time = format!("{}.{:03}", ms / 1000, ms % 1000);
        let form = [("query", query), ("time", &time)];
        let (mut answer, mut secrets) = self.exchange(&form, now).await?;
        if answer.status == 401 && self.signer.forget_token().await {
            (answer, secrets) = self.exchange(&form, now).await?;
        }
        let failed = |reason: String| self.says(format!("`{query}`: {}", secrets.scrub(&reason)));
        if answer.body.len() >= ANSWER_MAX {
            return Err(failed(format!("the answer is longer than {} MiB: select less", ANSWER_MAX >> 20)));
        }
        let parsed: Option<Answer<T>> = serde_json::from_slice(&answer.body).ok();
        match (answer.status, parsed) {
            (200, Some(Answer { status, data: Some(data), warnings, .. })) if status == "success" => {
                // What is partial says so here (Thanos, Mimir, and a limit that was hit).
                let is_harmless = |warning: &&String| self.harmless.contains(&warning.as_str());
                match warnings.iter().find(|warning| !is_harmless(warning)) {
                    Some(warning) => Err(failed(format!("the answer is not whole: {warning}"))),
                    None => Ok(data.result),
                }
            }
            (status, Some(Answer { error: Some(error), .. })) => {
                Err(failed(format!("HTTP {status}: {error}")))
            }
            (status, _) => Err(failed(format!("HTTP {status}: {}", excerpt(&answer.body)))),
        }
    }

    /// One request and its answer, with what must not be told of it.
    async fn exchange(
        &self,
        form: &[(&str, &str); 2],
        now: Timestamp,
    ) -> Result<(Answered, Secrets), SourceError> {
        let mut request = self.client.post(self.url.clone()).form(form);
        for (name, value) in &self.headers {
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
