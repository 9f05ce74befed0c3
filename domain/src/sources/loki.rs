//! Numbers that Loki makes of logs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::places::{self, Filling};
use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Dur, Section, Text, schema_of};
use crate::server::{self, Auth, RawAuth};
use crate::story::figures::format_duration;

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "loki", schema: schema_of::<RawLoki>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ url: \"http://loki:3100\", headers: { X-Scope-OrgID: shop }, auth: { basic: { user: \"17\", password_env: LOKI_TOKEN } }, settle: 30s, \
    values: { refused: 'sum(count_over_time({app=\"checkout\"} |= \"refused\" [{window}])) or vector(0)' } }";

const DOCS: &str = "\
asks Loki for numbers of logs (*beta*: tried on answers as Grafana documents them, not on a server). `values` are metric queries of LogQL, each of which gives one number at
the window's end; `{window}` in them is the window's length, `{target}` and `{phase}` within strings as with `prometheus`. A window is read once, `settle` after its end, which `grace` must not be shorter than: as long as lines may take from
the application into Loki. Nothing, more than one series, NaN and infinity are no number: an outage (CO-5) until the last retry has failed, then the batch comes without it, with
the reason under `intake.missing`. Of lines that did not come Loki gives nothing, not 0: `or vector(0)` says of a sum that it means none. A warning makes the answer incomplete, as with `prometheus`. `headers` and `auth` are those of
`prometheus`. Events are not counted from logs here: files, `http` and `otlp` do that.";

/// Numbers that Loki makes of logs. Beta.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawLoki {
    /// The server, with the path before `/loki/api/v1` if there is one.
    url: Text,
    /// Sent with each request, such as the tenant.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// How it is asked for: `bearer_env` or `bearer_file`, `basic`, or `oauth2`; none shipped.
    auth: Option<RawAuth>,
    /// How long after a window's end its last lines can be asked for. At most `grace`. 30 s shipped.
    settle: Option<Dur>,
    /// Metric queries that give one number of a window, by the names that metrics (`value`) call them, filled in as those of `prometheus`.
    values: BTreeMap<String, Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loki {
    /// Without the slash at the end.
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub auth: Option<Auth>,
    pub settle: Duration,
    /// Queries that give one number, by its name.
    pub values: BTreeMap<String, String>,
}

const SETTLE: Duration = Duration::from_secs(30);

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawLoki = section.read()?;
    let place = section.at("values");
    if raw.values.is_empty() {
        return Err(place.wrong("expected at least one name and the query that gives its number"));
    }
    let mut values = BTreeMap::new();
    for (name, query) in &raw.values {
        let query = place.text(name, query)?;
        places::check(&query, true).map_err(|why| place.at(name).wrong(why))?;
        values.insert(name.clone(), query);
    }
    Ok(Chosen(Arc::new(Loki {
        url: server::base(section, "url", &raw.url)?,
        headers: server::headers(section, &raw.headers)?,
        auth: raw.auth.as_ref().map(|raw| server::auth(section.at("auth"), raw)).transpose()?,
        settle: raw.settle.as_ref().map_or(Ok(SETTLE), |raw| section.duration("settle", raw))?,
        values,
    })))
}

impl Loki {
    /// The settings for one window, with all places of queries filled in.
    #[must_use]
    pub fn filled(&self, filling: Filling<'_>) -> Self {
        let fill = |(name, query): (&String, &String)| (name.clone(), places::filled(query, filling));
        Self { values: self.values.iter().map(fill).collect(), ..self.clone() }
    }
}

impl SourceSettings for Loki {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self { url, headers, auth, settle, values } = self;
        let mut words = server::words(KIND.key, url, headers, auth.as_ref());
        words.push_str(&format!(", settle {}", format_duration(*settle)));
        for (name, query) in values {
            words.push_str(&format!(", {name} of {query}"));
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
