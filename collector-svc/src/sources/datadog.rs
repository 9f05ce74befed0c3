//! Numbers of Datadog, each by a query for scalar data
//! (<https://docs.datadoghq.com/api/latest/metrics/#query-scalar-data-across-multiple-products>).

use async_trait::async_trait;
use domain::sources::datadog::{Datadog, KIND, Query};
use domain::telemetry::totals::Totals;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::vendors::answer::Answer as Answered;
use service_kit::vendors::http::{self, Client, Url, excerpt};
use service_kit::vendors::secrets::Secrets;
use shared_types::{Timestamp, Window};

use super::windows::{Held, WindowReader, by_window};
use super::{AskedWindow, Opened, Opening, Reader, SourceError};
use service_kit::vendors::secrets::secret;

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

const PATH: &str = "api/v2/query/scalar";
/// In how many seconds more may be asked (<https://docs.datadoghq.com/api/latest/rate-limits/>).
const RESET: &str = "x-ratelimit-reset";

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<Datadog>() else { return Ok(None) };
    let failed = |reason: String| SourceError::Io { what: settings.url.clone(), reason };
    let base = http::base_url("url", &settings.url).map_err(|error| failed(error.to_string()))?;
    let source = DatadogSource {
        client: http::client(collection.source_timeout).map_err(|error| failed(error.to_string()))?,
        url: base.join(PATH).map_err(|error| failed(error.to_string()))?,
        settings: settings.clone(),
    };
    Ok(Some(by_window(source, collection)))
}

#[derive(Debug)]
struct DatadogSource {
    client: Client,
    url: Url,
    settings: Datadog,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    /// One text beside data, a list in place of it.
    errors: Option<Value>,
}

#[derive(Deserialize)]
struct Data {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    columns: Vec<Column>,
}

/// Of numbers, or of the groups that each of these is of.
#[derive(Deserialize)]
struct Column {
    #[serde(rename = "type")]
    kind: String,
    values: Vec<Value>,
}

#[async_trait]
impl WindowReader for DatadogSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn says(&self, reason: String) -> SourceError {
        SourceError::Io { what: self.settings.url.clone(), reason }
    }

    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Held, SourceError> {
        let window = asked_for.window;
        let mut totals = Totals::default();
        for (name, formula) in &self.settings.values {
            let columns = self.columns(formula, window, now).await?;
            match number(&columns, window) {
                Ok(value) => _ = totals.values.insert(name.clone(), value),
                Err(why) => _ = totals.intake.missing.insert(name.clone(), format!("`{formula}` {why}")),
            }
        }
        Ok(totals.into())
    }
}

impl DatadogSource {
    fn request(&self, formula: &str, window: Window) -> Value {
        let query = |(name, Query { query, aggregator }): (&String, &Query)| json!({ "data_source": "metrics", "name": name, "query": query, "aggregator": aggregator });
        let queries: Vec<Value> = self.settings.used(formula).map(query).collect();
        json!({ "data": { "type": "scalar_request", "attributes": {
            "from": window.start.as_millis(),
            "to": window.end.as_millis(),
            "formulas": [{ "formula": formula }],
            "queries": queries,
        } } })
    }

    async fn columns(
        &self,
        formula: &str,
        window: Window,
        now: Timestamp,
    ) -> Result<Vec<Column>, SourceError> {
        let (answer, secrets) = self.exchange(&self.request(formula, window), now).await?;
        let failed = |reason: String| self.says(secrets.scrub(&format!("`{formula}`: {reason}")));
        let parsed: Option<Answer> = serde_json::from_slice(&answer.body).ok();
        match (answer.status, parsed) {
            (200, Some(Answer { errors: Some(errors), .. })) if !is_empty(&errors) => {
                Err(failed(format!("the answer is not whole: {}", told(&errors))))
            }
            (200, Some(Answer { data: Some(data), .. })) => Ok(data.attributes.columns),
            (status, parsed) => {
                let reset = answer.headers.get(RESET).and_then(|it| it.to_str().ok());
                let reset = reset.filter(|_| status == 429);
                let reset =
                    reset.map_or_else(String::new, |reset| format!(" (more can be asked in {reset} s)"));
                let said =
                    parsed.and_then(|it| it.errors).map_or_else(|| excerpt(&answer.body), |it| told(&it));
                Err(failed(format!("HTTP {status}: {said}{reset}")))
            }
        }
    }

    /// One request and its answer, with what must not be told of it.
    async fn exchange(&self, body: &Value, now: Timestamp) -> Result<(Answered, Secrets), SourceError> {
        let found = |from| secret(from).map_err(|reason| self.says(reason));
        let (api_key, application_key) =
            (found(&self.settings.api_key)?, found(&self.settings.application_key)?);
        let request = self
            .client
            .post(self.url.clone())
            .header("DD-API-KEY", api_key.expose_secret())
            .header("DD-APPLICATION-KEY", application_key.expose_secret())
            .json(body);
        let secrets = Secrets::new([api_key, application_key]);
        match http::exchange(request, now).await {
            Ok(answer) => Ok((answer, secrets)),
            Err(outcome) => Err(self.says(secrets.scrub(outcome.reason().unwrap_or_default()))),
        }
    }
}

fn is_empty(errors: &Value) -> bool {
    match errors {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        other => other.is_null(),
    }
}

fn told(errors: &Value) -> String {
    let list = errors.as_array().map_or(std::slice::from_ref(errors), Vec::as_slice);
    let text = |error: &Value| error.as_str().map_or_else(|| error.to_string(), str::to_owned);
    list.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// The one number of a window, or why there is none.
fn number(columns: &[Column], window: Window) -> Result<f64, String> {
    let numbers = columns.iter().filter(|column| column.kind == "number").flat_map(|column| &column.values);
    match numbers.collect::<Vec<_>>().as_slice() {
        [] | [Value::Null] => Err(format!("gives nothing for the window {window}")),
        [one] => one
            .as_f64()
            .filter(|it| it.is_finite())
            .ok_or_else(|| format!("gives no finite number for the window {window}")),
        several => Err(format!("gives {} numbers where one is expected", several.len())),
    }
}
