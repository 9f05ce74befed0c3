//! Numbers of Amazon CloudWatch, by `GetMetricData` in its JSON protocol
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).

mod sign;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use domain::sources::cloudwatch::{CloudWatch, Credentials, EXPRESSION, KIND, Metric};
use domain::telemetry::totals::Totals;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::clock::{Clock as _, SystemClock};
use service_kit::vendors::answer::Answer as Answered;
use service_kit::vendors::http::{self, Client, Url, excerpt};
use service_kit::vendors::secrets::Secrets;
use shared_types::{Timestamp, Window};

use super::windows::{Held, WindowReader, by_window};
use super::{AskedWindow, Opened, Opening, Reader, SourceError};
use service_kit::vendors::secrets::secret;
use sign::Signing;

/// What reads the kind.
pub const READER: Reader = Reader { key: KIND.key, open };

const SERVICE: &str = "monitoring";
const OPERATION: &str = "GraniteServiceVersion20100801.GetMetricData";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// How much of an answer is read.
const ANSWER_MAX: usize = 8 << 20;
/// So many pages of 100,800 data points are no longer one number each.
const PAGES_MAX: usize = 10;
/// Periods shorter than a minute that there are.
const SHORT_PERIODS: [u64; 5] = [1, 5, 10, 20, 30];

fn open(opening: &Opening<'_>) -> Opened {
    let collection = &opening.policy.collection;
    let Some(settings) = collection.source.of_kind::<CloudWatch>() else { return Ok(None) };
    let failed = |reason: String| SourceError::Io { what: settings.endpoint.clone(), reason };
    let source = CloudWatchSource {
        client: http::client(collection.source_timeout).map_err(|error| failed(error.to_string()))?,
        url: http::base_url("endpoint", &settings.endpoint).map_err(|error| failed(error.to_string()))?,
        settings: settings.clone(),
    };
    Ok(Some(by_window(source, collection)))
}

#[derive(Debug)]
struct CloudWatchSource {
    client: Client,
    url: Url,
    settings: CloudWatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    metric_data_results: Vec<Series>,
    next_token: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
}

/// Of a metric or an expression, or a page of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Series {
    id: String,
    #[serde(default)]
    label: String,
    /// Seconds since 1970 at which the periods of the values begin.
    timestamps: Vec<f64>,
    values: Vec<f64>,
    status_code: String,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

#[async_trait]
impl WindowReader for CloudWatchSource {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn says(&self, reason: String) -> SourceError {
        SourceError::Io { what: self.settings.endpoint.clone(), reason }
    }

    async fn count(&self, asked_for: &AskedWindow, now: Timestamp) -> Result<Held, SourceError> {
        let window = asked_for.window;
        let mut totals = Totals::default();
        let Some(period) = period(window) else {
            let why = format!("the window {window} is no period: whole minutes, or 1, 5, 10, 20 or 30 s");
            let never = self.settings.values.keys().map(|it| (it.clone(), why.clone())).collect();
            return Ok(Held { never, ..Held::default() });
        };
        let found = self.found(window, period, now).await?;
        for (place, (name, expression)) in self.settings.values.iter().enumerate() {
            let series = found.get(&self.id(place, expression)).map_or(&[][..], Vec::as_slice);
            if let Some(series) = series.iter().find(|series| series.status_code != "Complete") {
                let Series { status_code, messages, .. } = series;
                return Err(self.says(format!("`{expression}`: {status_code}{}", told(messages))));
            }
            match number(series, window) {
                Ok(value) => _ = totals.values.insert(name.clone(), value),
                Err(why) => _ = totals.intake.missing.insert(name.clone(), format!("`{expression}` {why}")),
            }
        }
        Ok(totals.into())
    }
}

impl CloudWatchSource {
    /// What a value is called in a request: a metric by its name, any other expression by its place.
    fn id(&self, place: usize, expression: &str) -> String {
        if self.settings.metrics.contains_key(expression) {
            expression.to_owned()
        } else {
            format!("{EXPRESSION}{place}")
        }
    }

    fn queries(&self, period: u64) -> Vec<Value> {
        let CloudWatch { metrics, values, .. } = &self.settings;
        let metric = |(name, metric): (&String, &Metric)| {
            let Metric { namespace, metric, dimensions, stat } = metric;
            let dimension = |(name, value): (&String, &String)| json!({ "Name": name, "Value": value });
            let dimensions: Vec<Value> = dimensions.iter().map(dimension).collect();
            let metric = json!({ "Namespace": namespace, "MetricName": metric, "Dimensions": dimensions });
            let stat = json!({ "Metric": metric, "Period": period, "Stat": stat });
            let is_value = values.values().any(|expression| expression == name);
            json!({ "Id": name, "MetricStat": stat, "ReturnData": is_value })
        };
        let expressions = values.values().enumerate().filter(|(_, it)| !metrics.contains_key(*it));
        let expression = |(place, expression): (usize, &String)| json!({ "Id": self.id(place, expression), "Expression": expression, "Period": period });
        metrics.iter().map(metric).chain(expressions.map(expression)).collect()
    }

    /// All series of a window by what they are called, their pages put together.
    async fn found(
        &self,
        window: Window,
        period: u64,
        now: Timestamp,
    ) -> Result<HashMap<String, Vec<Series>>, SourceError> {
        let mut request = json!({
            "StartTime": window.start.as_millis() / 1000,
            "EndTime": window.end.as_millis() / 1000,
            "MetricDataQueries": self.queries(period),
        });
        let mut found: HashMap<String, Vec<Series>> = HashMap::new();
        for _ in 0..PAGES_MAX {
            let page = self.page(request.to_string(), now).await?;
            if !page.messages.is_empty() {
                return Err(self.says(format!("the answer is not whole{}", told(&page.messages))));
            }
            for part in page.metric_data_results {
                let series = found.entry(part.id.clone()).or_default();
                match series.iter_mut().find(|series| series.label == part.label) {
                    Some(begun) => begun.go_on(part),
                    None => series.push(part),
                }
            }
            match page.next_token.filter(|token| !token.is_empty()) {
                Some(token) => request["NextToken"] = token.into(),
                None => return Ok(found),
            }
        }
        Err(self.says(format!("the answer has more than {PAGES_MAX} pages: select less")))
    }

    async fn page(&self, body: String, now: Timestamp) -> Result<Answer, SourceError> {
        let (answer, secrets) = self.exchange(body, now).await?;
        let failed = |reason: &str| self.says(secrets.scrub(reason));
        if answer.body.len() >= ANSWER_MAX {
            let reason = format!("the answer is longer than {} MiB: select less", ANSWER_MAX >> 20);
            return Err(failed(&reason));
        }
        if answer.status == 200 {
            return serde_json::from_slice(&answer.body)
                .map_err(|error| failed(&format!("not an answer of CloudWatch: {error}")));
        }
        let said = match serde_json::from_slice(&answer.body) {
            Ok(Refused { kind, message }) => {
                format!("{}: {message}", kind.rsplit('#').next().unwrap_or_default())
            }
            Err(_) => excerpt(&answer.body),
        };
        Err(failed(&format!("HTTP {}: {said}", answer.status)))
    }

    /// One request and its answer, with what must not be told of it.
    async fn exchange(&self, body: String, now: Timestamp) -> Result<(Answered, Secrets), SourceError> {
        let Credentials { access_key_id, secret_access_key, session_token } = &self.settings.credentials;
        let found = |from| secret(from).map_err(|reason| self.says(reason));
        let (key_id, key) = (found(access_key_id)?, found(secret_access_key)?);
        let token = session_token.as_ref().map(found).transpose()?;
        // Windows may be asked for as of another time (`look`); a signature is taken for five minutes.
        let time = SystemClock.now().to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = self.url.host_str().unwrap_or_default();
        let host = self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut headers = BTreeMap::from([
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", host),
            ("x-amz-date", time.clone()),
            ("x-amz-target", OPERATION.to_owned()),
        ]);
        if let Some(token) = &token {
            headers.insert("x-amz-security-token", token.expose_secret().to_owned());
        }
        let signing = Signing {
            key_id: key_id.expose_secret(),
            secret: &key,
            region: &self.settings.region,
            service: SERVICE,
            time: &time,
        };
        let authorization = signing.authorization(self.url.path(), &headers, body.as_bytes());
        let mut request = self.client.post(self.url.clone()).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let secrets = Secrets::new([Some(key), token].into_iter().flatten());
        match http::exchange_up_to(ANSWER_MAX, request.body(body), now).await {
            Ok(answer) => Ok((answer, secrets)),
            Err(outcome) => Err(self.says(secrets.scrub(outcome.reason().unwrap_or_default()))),
        }
    }
}

impl Series {
    /// A later page says whether it is whole now.
    fn go_on(&mut self, part: Self) {
        self.timestamps.extend(part.timestamps);
        self.values.extend(part.values);
        self.messages.extend(part.messages);
        self.status_code = part.status_code;
    }
}

/// The whole window as a period, in seconds, if it can be one.
fn period(window: Window) -> Option<u64> {
    let length = window.length();
    let seconds = length.as_secs();
    let is_period = seconds > 0 && seconds.is_multiple_of(60) || SHORT_PERIODS.contains(&seconds);
    (is_period && length.subsec_nanos() == 0).then_some(seconds)
}

/// The one number of a window, or why there is none.
fn number(series: &[Series], window: Window) -> Result<f64, String> {
    let [one] = series else {
        let labels: Vec<String> = series.iter().take(2).map(|series| format!("`{}`", series.label)).collect();
        return Err(match series.len() {
            0 => format!("gives nothing for the window {window}"),
            several => format!("gives {several} series where one is expected: {}", labels.join(", ")),
        });
    };
    if !one.messages.is_empty() {
        return Err(format!(
            "gives no number that can be trusted for the window {window}{}",
            told(&one.messages)
        ));
    }
    let starts = |second: &f64| (second * 1000.0 - window.start.as_millis() as f64).abs() < 1.0;
    match (one.values.as_slice(), one.timestamps.as_slice()) {
        ([], _) => Err(format!("gives nothing for the window {window}")),
        ([value], [second]) if starts(second) && value.is_finite() => Ok(*value),
        ([_], _) => Err(format!("gives a number of another time than the window {window}")),
        (several, _) => {
            Err(format!("gives {} data points where one is expected for the window {window}", several.len()))
        }
    }
}

/// What messages say, after a colon.
fn told(messages: &[Message]) -> String {
    messages.iter().map(|Message { code, value }| format!(": {code} {value}")).collect()
}
