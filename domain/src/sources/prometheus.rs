//! Counters and histograms of a server that speaks Prometheus' HTTP API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::breakdown::breakdown;
use super::places::{self, Filling};
use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Dur, Section, Text, Whole, schema_of};
use crate::server::{self, Auth, RawAuth};
use crate::story::figures::format_duration;
use events::map::Unit;

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "prometheus", schema: schema_of::<RawPrometheus>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ url: \"http://prometheus:9090\", headers: { X-Scope-OrgID: shop }, auth: { oauth2: { token_url: \"https://login/oauth2/token\", client_id: phasegate, \
    client_secret_env: PROM_SECRET, scopes: [metrics.read] } }, \
    settle: 30s, lookback: 5m, samples_most: 200000, up: 'up{job=\"{target}\"}', started: 'process_start_time_seconds{job=\"checkout\"}', counters: { checkout.pay.completed: { series: \
    'payments_total{result=\"ok\"}' }, checkout.pay.error: { series: 'payment_errors_total', breakdown: { code: reason }, \
    absent: zero } }, distributions: { checkout.pay.timed: { histogram: 'pay_duration_seconds{job=\"checkout\"}', unit: s, absent: zero } }, values: { cpu: 'max(rate(process_cpu_seconds_total[{window}]))' } }";

const DOCS: &str = "\
counts from the raw samples of counters, over the HTTP API of Prometheus and of what speaks it (VictoriaMetrics,
Thanos, Mimir), so that restarts and series that are born within a window are counted to the event where `increase()` extrapolates.
A window is read once, `settle` after its end, which `grace` must not be shorter than. Each series counts from its last sample at or before the window's
begin, which is looked for `lookback` far; a fall is a restart, and what stands there after it is new. A series that is born within the window counts from zero if
its instance was known before (by `up`, or by another series of it) or was started within the window (`started`: name it where instances come and go, as pods do), else from its
first sample. The first window of a stay counts from its first scrape: what that one shows may be of the phase before. With `up`, a window in which nothing was up is an outage
(CO-5) and not zero; so is a counter without any series, unless `absent: zero` says that it is born with its first event. When the last retry has failed
such a window gets its batch all the same: without that counter, with the reason under `intake.missing`, and no metric that needs it has a value.
Of a counter with more raw samples than `samples_most` in the window and `lookback` (the server counts them first) the server's `increase()` is taken,
and the batch says so under `intake.extrapolated`: it is judged as it is, an estimate. A histogram of so many is missing at once: extrapolated buckets would make nothing certain.
A warning of the server makes the answer incomplete, which is an outage as long as it lasts: none of these becomes a batch that looks well.
`{target}` and `{phase}` within a string of a selector or a query are the target's name and the window's phase, so that one text serves many targets; a label's text that
has braces of its own has them twice (`route=\"/orders/{{id}}\"`). Targets of one server that are due at the same time are asked for together: up to 100 of them by a selector whose
label is the target's name (`feature=\"{target}\"`), as long as that is no more than `samples_most` samples, and all of them by a selector or a query that is the same for each.
`{ code: reason }` breaks an error down by the values of the label `reason`. Secrets come from the environment or a file (`bearer_env`, `bearer_file`;
`basic` with `user` and `password_env` or `password_file`; `oauth2` with `token_url`, `client_id`, `client_secret_env` or `client_secret_file`, and `scopes`: client credentials,
with HTTP Basic at the token's server. A token is kept until half a minute before its end; one that is refused is fetched anew and the query asked once more). `values` are for what is no count: any query that gives one number at the window's end, in which `{window}` is the window's length; no series, more than one, NaN and infinity
are no number and treated as a counter that is not there. An event whose metric asks for durations is not among `counters` but among `distributions`: a histogram, classic or native, is counted like a counter, bucket by bucket,
and its count is the event's. Of a duration only the bounds of its bucket are known then: a quantile has a verdict where that is certain, as it always is with a threshold that is a bound, and is `insufficient` with the reason `resolution` where the bounds lie on both sides of it.";

/// Counters and histograms of a server that speaks Prometheus' HTTP API.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawPrometheus {
    /// The server, with the path before `/api/v1` if there is one.
    url: Text,
    /// Sent with each request, such as the tenant of Mimir.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// How it is asked for: `bearer_env` or `bearer_file`, `basic`, or `oauth2`; none shipped.
    auth: Option<RawAuth>,
    /// How long after a window's end its last samples can be asked for: two scrape intervals, and 60 s behind remote write. At
    /// most `grace`. 30 s shipped.
    settle: Option<Dur>,
    /// How far before a window the sample is looked for that its series count from: several scrape intervals. 5 m shipped.
    lookback: Option<Dur>,
    /// Of more raw samples than that in an answer none are read: a counter is extrapolated by the server's `increase()` and the batch
    /// says so, a histogram is missing. 200000 shipped.
    samples_most: Option<Whole>,
    /// Selector of series that are 1 while an instance is scraped.
    up: Option<Text>,
    /// Selector of the second since 1970 at which each instance was started, such as `process_start_time_seconds`.
    started: Option<Text>,
    /// What events are counted from, by their name.
    #[serde(default)]
    counters: BTreeMap<String, RawCounter>,
    /// What events and their durations are counted from, by their name.
    #[serde(default)]
    distributions: BTreeMap<String, RawDurations>,
    /// Queries that give one number of a window, by the names that metrics (`value`) call them. `{window}` is its length, `{target}`
    /// and `{phase}`, within a string, are its target and phase, here and in selectors.
    #[serde(default)]
    values: BTreeMap<String, Text>,
}

/// A counter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCounter {
    /// Selector of its series: a name, or one with labels in braces.
    series: Text,
    /// Labels whose values are told apart, by what they are: `code` or `retryable`.
    #[serde(default)]
    breakdown: BTreeMap<String, Text>,
    /// What no series at all means: an `outage` (shipped), or `zero`.
    absent: Option<Text>,
}

/// A histogram of durations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDurations {
    /// Selector of a histogram, classic or native: its name, without `_bucket`, perhaps with labels in braces.
    histogram: Text,
    /// Of its bounds: `s`, `ms`, `us` or `ns`.
    unit: Text,
    /// What no series at all means: an `outage` (shipped), or `zero`.
    absent: Option<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// Without what follows the path's last slash.
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub auth: Option<Auth>,
    pub settle: Duration,
    pub lookback: Duration,
    /// How many raw samples an answer may have.
    pub samples_most: u64,
    pub up: Option<String>,
    pub started: Option<String>,
    pub counters: BTreeMap<String, Counter>,
    pub distributions: BTreeMap<String, Durations>,
    /// Queries that give one number, by its name.
    pub values: BTreeMap<String, String>,
}

/// What events are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub series: String,
    /// From a field of the event to a label.
    pub breakdown: BTreeMap<String, String>,
    /// Whether no series means that nothing happened.
    pub absent_is_zero: bool,
}

/// What events and their durations are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    /// With a name.
    pub histogram: String,
    pub unit: Unit,
    /// Whether no series means that nothing happened.
    pub absent_is_zero: bool,
}

impl Prometheus {
    /// The settings for one window, with all places of selectors and queries filled in.
    #[must_use]
    pub fn filled(&self, filling: Filling<'_>) -> Self {
        let fill = |text: &String| places::filled(text, filling);
        let mut filled =
            Self { up: self.up.as_ref().map(fill), started: self.started.as_ref().map(fill), ..self.clone() };
        filled.counters.values_mut().for_each(|it| it.series = fill(&it.series));
        filled.distributions.values_mut().for_each(|it| it.histogram = fill(&it.histogram));
        filled.values.values_mut().for_each(|query| *query = fill(query));
        filled
    }
}

impl Durations {
    /// Selector of the series by `le` of a classic histogram.
    #[must_use]
    pub fn classic(&self) -> String {
        let (name, labels) = parted(&self.histogram);
        format!("{name}_bucket{labels}")
    }
}

const SETTLE: Duration = Duration::from_secs(30);
const LOOKBACK: Duration = Duration::from_secs(300);
const SAMPLES_MOST: u64 = 200_000;

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawPrometheus = section.read()?;
    let url = server::base(section, "url", &raw.url)?;
    let headers = server::headers(section, &raw.headers)?;
    let optional = |key: &str, raw: &Option<Dur>, shipped: Duration| {
        raw.as_ref().map_or(Ok(shipped), |raw| section.duration(key, raw))
    };
    let (settle, lookback) =
        (optional("settle", &raw.settle, SETTLE)?, optional("lookback", &raw.lookback, LOOKBACK)?);
    if lookback.is_zero() {
        return Err(section
            .at("lookback")
            .wrong("expected more than 0: a window counts from the sample before it"));
    }
    let samples_most = raw.samples_most.as_ref();
    let samples_most = samples_most.map_or(Ok(SAMPLES_MOST), |raw| section.whole("samples_most", raw, 1))?;
    if raw.counters.is_empty() && raw.distributions.is_empty() && raw.values.is_empty() {
        return Err(section.at("counters").wrong(
            "expected at least one event and the series that it is counted from, or one of `distributions` or `values`",
        ));
    }
    let mut counters = BTreeMap::new();
    for (event, raw) in &raw.counters {
        counters.insert(event.clone(), counter(section.at("counters").at(event), raw)?);
    }
    let mut distributions = BTreeMap::new();
    for (event, raw) in &raw.distributions {
        let place = section.at("distributions").at(event);
        if counters.contains_key(event) {
            return Err(place.wrong("expected an event that is not among `counters` too"));
        }
        distributions.insert(event.clone(), durations(place, raw)?);
    }
    let mut values = BTreeMap::new();
    for (name, query) in &raw.values {
        if counters.contains_key(name) || distributions.contains_key(name) {
            let message = "expected a name that none of `counters` and `distributions` has";
            return Err(section.at("values").at(name).wrong(message));
        }
        let query = section.at("values").text(name, query)?;
        places::check(&query, true).map_err(|why| section.at("values").at(name).wrong(why))?;
        values.insert(name.clone(), query);
    }
    let up = raw.up.as_ref().map(|up| selector(section, "up", up)).transpose()?;
    let started = raw.started.as_ref().map(|started| selector(section, "started", started)).transpose()?;
    let auth = raw.auth.as_ref().map(|raw| server::auth(section.at("auth"), raw)).transpose()?;
    Ok(Chosen(Arc::new(Prometheus {
        url,
        headers,
        auth,
        settle,
        lookback,
        samples_most,
        up,
        started,
        counters,
        distributions,
        values,
    })))
}

fn counter(place: &Section, raw: &RawCounter) -> Result<Counter, Wrong> {
    let series = selector(place, "series", &raw.series)?;
    let breakdown = breakdown(place, &raw.breakdown)?;
    Ok(Counter { series, breakdown, absent_is_zero: absent_is_zero(place, raw.absent.as_ref())? })
}

fn durations(place: &Section, raw: &RawDurations) -> Result<Durations, Wrong> {
    let histogram = selector(place, "histogram", &raw.histogram)?;
    let (name, _) = parted(&histogram);
    if name.is_empty() || ["_bucket", "_count", "_sum"].iter().any(|part| name.ends_with(part)) {
        let message =
            format!("expected the histogram's own name, such as `pay_duration_seconds`, found `{histogram}`");
        return Err(place.at("histogram").wrong(message));
    }
    let unit = place.word("unit", &raw.unit, &Unit::ALL)?;
    Ok(Durations { histogram, unit, absent_is_zero: absent_is_zero(place, raw.absent.as_ref())? })
}

fn absent_is_zero(place: &Section, absent: Option<&Text>) -> Result<bool, Wrong> {
    match absent.map(|it| it.0.as_str()) {
        None | Some("outage") => Ok(false),
        Some("zero") => Ok(true),
        Some(other) => Err(place.at("absent").wrong(format!("expected `outage` or `zero`, found `{other}`"))),
    }
}

/// A selector's name, and its labels with their braces.
fn parted(selector: &str) -> (&str, &str) {
    selector.split_at(selector.find('{').unwrap_or(selector.len()))
}

/// A name, labels, or both. Anything that computes would hide restarts.
fn selector(place: &Section, key: &str, text: &Text) -> Result<String, Wrong> {
    let text = place.text(key, text)?;
    let (name, labels) = parted(&text);
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    if is_name && (labels.is_empty() || labels.ends_with('}')) {
        places::check(&text, false).map_err(|why| place.at(key).wrong(why))?;
        return Ok(text);
    }
    let message = "expected a selector of raw series, such as `payments_total{result=\"ok\"}`: sums and rates hide restarts";
    Err(place.at(key).wrong(message))
}

impl SourceSettings for Prometheus {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self {
            url,
            headers,
            auth,
            settle,
            lookback,
            samples_most,
            up,
            started,
            counters,
            distributions,
            values,
        } = self;
        let mut words = server::words(KIND.key, url, headers, auth.as_ref());
        words.push_str(&format!(
            ", settle {}, lookback {}, at most {samples_most} samples",
            format_duration(*settle),
            format_duration(*lookback)
        ));
        if let Some(up) = up {
            words.push_str(&format!(", up {up}"));
        }
        if let Some(started) = started {
            words.push_str(&format!(", started {started}"));
        }
        for (event, Counter { series, breakdown, absent_is_zero }) in counters {
            words.push_str(&format!(", {event} of {series}"));
            for (field, label) in breakdown {
                words.push_str(&format!(" with {field} of {label}"));
            }
            if *absent_is_zero {
                words.push_str(" or zero");
            }
        }
        for (event, Durations { histogram, unit, absent_is_zero }) in distributions {
            let or_zero = if *absent_is_zero { " or zero" } else { "" };
            words.push_str(&format!(", {event} of the histogram {histogram} in {unit}{or_zero}"));
        }
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

    fn counted(&self) -> Vec<&str> {
        self.counters.keys().map(String::as_str).collect()
    }

    fn timed(&self) -> Vec<&str> {
        self.distributions.keys().map(String::as_str).collect()
    }

    fn made_of(&self, name: &str) -> Option<&str> {
        let counter = self.counters.get(name).map(|counter| &counter.series);
        let timed = || self.distributions.get(name).map(|it| &it.histogram);
        counter.or_else(timed).or_else(|| self.values.get(name)).map(String::as_str)
    }
}
