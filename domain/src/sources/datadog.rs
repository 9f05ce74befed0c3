//! Numbers of Datadog.

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
    SourceKind { key: "datadog", schema: schema_of::<RawDatadog>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ url: \"https://api.datadoghq.eu\", api_key_env: DD_API_KEY, application_key_env: DD_APP_KEY, settle: 30s, \
    queries: { refused: { query: \"sum:checkout.refused{service:pay}.as_count()\", aggregator: sum }, paid: { query: \"sum:checkout.paid{service:pay}.as_count()\", aggregator: sum } }, \
    values: { refused_share: '100 * refused / (refused + paid)' } }";

const DOCS: &str = "\
asks Datadog for numbers of metrics (*beta*: tried on answers as Datadog documents and its clients recorded them, not on the service). `queries` are metric queries, each with what makes one number of its points over the window;
`values` are formulas of their names, such as one name alone. Each formula is asked for by itself (`POST /api/v2/query/scalar`), once a window, `settle` after its end, which `grace` must not be shorter than: metrics of agents are there within half a minute, those
that Datadog fetches from a cloud many minutes later. No column, no value and `null` are no data and not 0; more than one value, as of a query by tags, is no number either: an outage (CO-5) until the last
retry has failed, then the batch comes without it, with the reason under `intake.missing`. A refusal, a limit of requests (429) or an answer with errors is an outage as long as it lasts. The keys come from the environment or from files that are read anew each time;
the application key needs the scope `timeseries_query`.";

/// What makes one number of the points of a window (`MetricsAggregator`, <https://docs.datadoghq.com/api/latest/metrics/>).
const AGGREGATORS: [(&str, &str); 9] = [
    ("avg", "avg"),
    ("min", "min"),
    ("max", "max"),
    ("sum", "sum"),
    ("last", "last"),
    ("percentile", "percentile"),
    ("mean", "mean"),
    ("l2norm", "l2norm"),
    ("area", "area"),
];

/// Numbers of Datadog. Beta.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDatadog {
    /// The API of the account's site, such as `https://api.datadoghq.eu`.
    url: Text,
    /// Variable of the environment that holds the API key.
    api_key_env: Option<Text>,
    /// File that holds the API key; read anew each time.
    api_key_file: Option<Text>,
    /// Variable of the environment that holds the application key.
    application_key_env: Option<Text>,
    /// File that holds the application key; read anew each time.
    application_key_file: Option<Text>,
    /// How long after a window's end its last points can be asked for. At most `grace`. 30 s shipped.
    settle: Option<Dur>,
    /// Metric queries, by the names that `values` call them: a small letter, then letters, digits and `_`.
    queries: BTreeMap<String, RawQuery>,
    /// Formulas of queries that give one number of a window, by the names that metrics (`value`) call them.
    values: BTreeMap<String, Text>,
}

/// A metric query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    /// Such as `sum:checkout.refused{service:pay}.as_count()`.
    query: Text,
    /// What makes one number of its points: `avg`, `min`, `max`, `sum`, `last`, `percentile`, `mean`, `l2norm` or `area`.
    aggregator: Text,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datadog {
    /// Without the slash at the end.
    pub url: String,
    pub api_key: SecretFrom,
    pub application_key: SecretFrom,
    pub settle: Duration,
    pub queries: BTreeMap<String, Query>,
    /// Formulas that give one number, by its name.
    pub values: BTreeMap<String, String>,
}

/// A metric query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub query: String,
    pub aggregator: &'static str,
}

const SETTLE: Duration = Duration::from_secs(30);

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawDatadog = section.read()?;
    let mut queries = BTreeMap::new();
    for (name, raw) in &raw.queries {
        let place = section.at("queries").at(name);
        if !is_variable(name) {
            let message = format!("expected a small letter, then letters, digits and `_`, found `{name}`");
            return Err(place.wrong(message));
        }
        let aggregator = place.word("aggregator", &raw.aggregator, &AGGREGATORS)?;
        queries.insert(name.clone(), Query { query: place.text("query", &raw.query)?, aggregator });
    }
    let place = section.at("values");
    let mut values = BTreeMap::new();
    for (name, formula) in &raw.values {
        let formula = place.text(name, formula)?;
        if used(&queries, &formula).next().is_none() {
            return Err(place
                .at(name)
                .wrong("expected a formula with the name of at least one of `queries`"));
        }
        values.insert(name.clone(), formula);
    }
    if values.is_empty() {
        return Err(place.wrong("expected at least one name and the formula that gives its number"));
    }
    let key = |key: &str, variable: &Option<Text>, file: &Option<Text>| {
        let found = server::secret(section, key, variable.as_ref(), file.as_ref())?;
        found.ok_or_else(|| section.missing(&format!("{key}_env")))
    };
    Ok(Chosen(Arc::new(Datadog {
        url: server::base(section, "url", &raw.url)?,
        api_key: key("api_key", &raw.api_key_env, &raw.api_key_file)?,
        application_key: key("application_key", &raw.application_key_env, &raw.application_key_file)?,
        settle: raw.settle.as_ref().map_or(Ok(SETTLE), |raw| section.duration("settle", raw))?,
        queries,
        values,
    })))
}

/// The queries whose names stand in a formula.
fn used<'a>(
    queries: &'a BTreeMap<String, Query>,
    formula: &str,
) -> impl Iterator<Item = (&'a String, &'a Query)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    queries.iter().filter(move |(name, _)| formula.split(|c| !is_word(c)).any(|word| word == *name))
}

impl Datadog {
    /// The queries that a formula is made of, by their names.
    pub fn used(&self, formula: &str) -> impl Iterator<Item = (&String, &Query)> {
        used(&self.queries, formula)
    }
}

impl SourceSettings for Datadog {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self { url, api_key, application_key, settle, queries, values } = self;
        let mut words = format!(
            "{} {url}, API key of {}, application key of {}, settle {}",
            KIND.key,
            api_key.words(),
            application_key.words(),
            format_duration(*settle)
        );
        for (name, Query { query, aggregator }) in queries {
            words.push_str(&format!(", {name}: {aggregator} of {query}"));
        }
        for (name, formula) in values {
            words.push_str(&format!(", {name} of {formula}"));
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
