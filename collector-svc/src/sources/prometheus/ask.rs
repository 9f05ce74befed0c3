//! One instant query (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use std::collections::BTreeMap;
use std::time::Duration;

use domain::sources::prometheus::Prometheus;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::vendors::answer::Answer as Answered;
use service_kit::vendors::http::{self, Client, Url, excerpt};
use service_kit::vendors::secrets::Secrets;
use shared_types::Timestamp;

use super::auth::Signer;
use super::count::Sample;
use crate::sources::SourceError;

/// How much of an answer is read: a million samples and more.
const ANSWER_MAX: usize = 64 << 20;

/// Where queries go.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    url: Url,
    headers: BTreeMap<String, String>,
    signer: Signer,
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
    Scalar(Sample),
}

/// The value of a series; none of one that has a histogram, or several samples.
#[derive(Serialize, Deserialize)]
pub(super) struct Number {
    pub(super) metric: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Sample>,
}

impl Server {
    pub(super) fn new(settings: &Prometheus, timeout: Duration) -> Result<Self, SourceError> {
        let Prometheus { url, headers, auth, .. } = settings;
        let failed = |reason: String| SourceError::Io { what: url.clone(), reason };
        let base = http::base_url("url", url).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            client: http::client(timeout).map_err(|error| failed(error.to_string()))?,
            url: base.join("api/v1/query").map_err(|error| failed(error.to_string()))?,
            headers: headers.clone(),
            signer: Signer::new(auth.clone()),
        })
    }

    /// The error that something is wrong with what it has.
    pub(super) fn says(&self, reason: String) -> SourceError {
        let what = self.url.as_str().trim_end_matches("/api/v1/query").to_owned();
        SourceError::Io { what, reason }
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
                match warnings.first() {
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
