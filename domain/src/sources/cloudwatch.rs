//! Numbers of Amazon CloudWatch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::variable::is_variable;
use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Dur, Section, Text, schema_of};
use crate::server;
use crate::story::figures::format_duration;
use shared_types::SecretFrom;

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "cloudwatch", schema: schema_of::<RawCloudWatch>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ region: eu-central-1, endpoint: \"https://monitoring.eu-central-1.amazonaws.com\", credentials: { access_key_id_env: AWS_ACCESS_KEY_ID, \
    secret_access_key_env: AWS_SECRET_ACCESS_KEY, session_token_env: AWS_SESSION_TOKEN }, settle: 3m, \
    metrics: { refused: { namespace: Checkout, metric: Refused, dimensions: { Service: pay }, stat: Sum }, paid: { namespace: Checkout, metric: Paid, dimensions: { Service: pay }, stat: Sum } }, \
    values: { refused_share: '100 * refused / (refused + paid)' } }";

const DOCS: &str = "\
asks Amazon CloudWatch for numbers by `GetMetricData` (*beta*: tried on moto, which checks signatures and stands in for the service, and on answers as Amazon documents them; not on the service itself). `metrics` names
metrics with the statistic of each over the window; `values` are the name of one of them, metric math of those names, or a query of Metrics Insights (one of them at most). Each gives one number of the window, which is its period: windows have
to be 1, 5, 10, 20 or 30 s long, or whole minutes. A window is read once, `settle` after its end, which `grace` must not be shorter than: CloudWatch is complete two to three minutes later. No data, more than one series or
data point, one of another time, and data with a message (as of a division by zero) are no number: an outage (CO-5) until the last retry has failed, then the batch comes without it, with the reason under `intake.missing`. No data
is not 0. Partial data, an internal error and what is forbidden are an outage as long as they last. Requests are signed (Signature Version 4) with a key from the environment or from files that are read anew each time
(`access_key_id_env` or `access_key_id_file`, and so on); roles are not assumed here, so temporary keys have to be kept fresh in those files.";

/// A request takes so many metrics and expressions together
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html>).
const QUERIES_MAX: usize = 500;

/// Expressions are called so in a request, each with its number.
pub const EXPRESSION: &str = "value_";

/// Numbers of Amazon CloudWatch. Beta.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCloudWatch {
    /// Such as `eu-central-1`.
    region: Text,
    /// Where it is asked; the region's own shipped.
    endpoint: Option<Text>,
    /// The key that requests are signed with.
    credentials: RawCredentials,
    /// How long after a window's end it is complete. At most `grace`. 3 m shipped.
    settle: Option<Dur>,
    /// Metrics, by the names that `values` call them: a small letter, then letters, digits and `_`.
    #[serde(default)]
    metrics: BTreeMap<String, RawStatistic>,
    /// The name of a metric, metric math or a query of Metrics Insights that gives one number of a window, by the names that metrics (`value`) call them.
    values: BTreeMap<String, Text>,
}

/// The key that requests are signed with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCredentials {
    /// Variable of the environment that holds the access key's id.
    access_key_id_env: Option<Text>,
    /// File that holds the access key's id; read anew each time.
    access_key_id_file: Option<Text>,
    /// Variable of the environment that holds the secret access key.
    secret_access_key_env: Option<Text>,
    /// File that holds the secret access key; read anew each time.
    secret_access_key_file: Option<Text>,
    /// Variable of the environment that holds the session token of a temporary key.
    session_token_env: Option<Text>,
    /// File that holds the session token of a temporary key; read anew each time.
    session_token_file: Option<Text>,
}

/// A metric with its statistic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawStatistic {
    /// Such as `AWS/ECS`.
    namespace: Text,
    /// Its name.
    metric: Text,
    /// All its dimensions: CloudWatch takes one with others for another metric.
    #[serde(default)]
    dimensions: BTreeMap<String, Text>,
    /// `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, or one such as `p99`.
    stat: Text,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudWatch {
    pub region: String,
    /// Without the slash at the end.
    pub endpoint: String,
    pub credentials: Credentials,
    pub settle: Duration,
    pub metrics: BTreeMap<String, Metric>,
    /// Names of metrics and expressions that give one number, by its name.
    pub values: BTreeMap<String, String>,
}

/// Where the key is found that requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: SecretFrom,
    pub secret_access_key: SecretFrom,
    pub session_token: Option<SecretFrom>,
}

/// A metric with its statistic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    pub namespace: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub stat: String,
}

const SETTLE: Duration = Duration::from_secs(180);

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawCloudWatch = section.read()?;
    let region = section.text("region", &raw.region)?;
    if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err(section.at("region").wrong("expected a region, such as `eu-central-1`"));
    }
    let endpoint = match &raw.endpoint {
        Some(endpoint) => server::base(section, "endpoint", endpoint)?,
        None => format!("https://monitoring.{region}.amazonaws.com"),
    };
    let mut metrics = BTreeMap::new();
    for (name, raw) in &raw.metrics {
        let place = section.at("metrics").at(name);
        if !is_variable(name) || name.starts_with(EXPRESSION) {
            let message = format!(
                "expected a small letter, then letters, digits and `_`, not `{EXPRESSION}` at the begin; found `{name}`"
            );
            return Err(place.wrong(message));
        }
        metrics.insert(name.clone(), metric(place, raw)?);
    }
    let place = section.at("values");
    let mut values = BTreeMap::new();
    for (name, expression) in &raw.values {
        values.insert(name.clone(), place.text(name, expression)?);
    }
    if values.is_empty() || metrics.len() + values.len() > QUERIES_MAX {
        let message = format!("expected 1 to {QUERIES_MAX} numbers, together with `metrics`");
        return Err(place.wrong(message));
    }
    let is_query = |expression: &&String| {
        expression.trim_start().get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("select "))
    };
    if values.values().filter(is_query).count() > 1 {
        return Err(place.wrong("expected at most one query of Metrics Insights: a request takes no more"));
    }
    Ok(Chosen(Arc::new(CloudWatch {
        region,
        endpoint,
        credentials: credentials(section.at("credentials"), &raw.credentials)?,
        settle: raw.settle.as_ref().map_or(Ok(SETTLE), |raw| section.duration("settle", raw))?,
        metrics,
        values,
    })))
}

fn metric(place: &Section, raw: &RawStatistic) -> Result<Metric, Wrong> {
    let mut dimensions = BTreeMap::new();
    for (name, value) in &raw.dimensions {
        dimensions.insert(name.clone(), place.at("dimensions").text(name, value)?);
    }
    Ok(Metric {
        namespace: place.text("namespace", &raw.namespace)?,
        metric: place.text("metric", &raw.metric)?,
        dimensions,
        stat: place.text("stat", &raw.stat)?,
    })
}

fn credentials(place: &Section, raw: &RawCredentials) -> Result<Credentials, Wrong> {
    let found = |key: &str, variable: &Option<Text>, file: &Option<Text>| {
        server::secret(place, key, variable.as_ref(), file.as_ref())
    };
    let needed = |key: &str, variable: &Option<Text>, file: &Option<Text>| {
        found(key, variable, file)?.ok_or_else(|| place.missing(&format!("{key}_env")))
    };
    Ok(Credentials {
        access_key_id: needed("access_key_id", &raw.access_key_id_env, &raw.access_key_id_file)?,
        secret_access_key: needed(
            "secret_access_key",
            &raw.secret_access_key_env,
            &raw.secret_access_key_file,
        )?,
        session_token: found("session_token", &raw.session_token_env, &raw.session_token_file)?,
    })
}

impl SourceSettings for CloudWatch {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self { region, endpoint, credentials, settle, metrics, values } = self;
        let Credentials { access_key_id, secret_access_key, session_token } = credentials;
        let mut words = format!(
            "{} {endpoint} in {region}, key {} with the secret of {}",
            KIND.key,
            access_key_id.words(),
            secret_access_key.words()
        );
        if let Some(token) = session_token {
            words.push_str(&format!(" and the token of {}", token.words()));
        }
        words.push_str(&format!(", settle {}", format_duration(*settle)));
        for (name, Metric { namespace, metric, dimensions, stat }) in metrics {
            words.push_str(&format!(", {name}: {stat} of {namespace} {metric}"));
            for (name, value) in dimensions {
                words.push_str(&format!(" {name}={value}"));
            }
        }
        for (name, expression) in values {
            words.push_str(&format!(", {name} of {expression}"));
        }
        words
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn settle(&self) -> Duration {
        self.settle
    }

    fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }
}
