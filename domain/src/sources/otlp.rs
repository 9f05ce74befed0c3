//! Telemetry that the `OpenTelemetry` SDKs and collectors send: metrics, logs and spans by OTLP over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::map::Unit;
use schemars::JsonSchema;
use serde::Deserialize;

use super::breakdown::breakdown;
use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, Text, schema_of};

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "otlp", schema: schema_of::<RawOtlp>, read, example: EXAMPLE, docs: DOCS };

const EXAMPLE: &str = "{ match: { service.name: checkout }, phase: rollout.phase, distributions: { checkout.pay.completed: { metric: payment.duration, \
    where: { outcome: ok }, unit: s } }, counters: { checkout.pay.error: { metric: payments, where: { outcome: failed }, breakdown: { code: error.type } } }, \
    spans: { \"POST /pay\": { completed: checkout.pay.completed, error: checkout.pay.error } }, logs: { scope: checkout.telemetry } }";

const DOCS: &str = "\
takes what OpenTelemetry's SDKs and collectors send by OTLP over HTTP: `POST /v1/metrics`, `/v1/logs` and `/v1/traces` at the collector's port,
protobuf or JSON, gzip or plain. Name that port as `OTEL_EXPORTER_OTLP_ENDPOINT`, and a token of the role `service:telemetry` in `OTEL_EXPORTER_OTLP_HEADERS`. The resource's attributes
that `match` names say whose telemetry it is. **Metrics**: `counters` count monotonic sums, and the counts of histograms, delta and cumulative ones; a point counts in the window in which it ends. A stream is known by
its resource, scope, name and attributes, and how far it was counted is stored with the counts, so that a request that comes again counts once. A new process counts from zero, a stream that
is born in a process that was seen before too; the first point of one that was not counts only if it began within the window. The first points of a stay that also hold what was before it count for neither
(a whole export interval: keep it at a tenth of the window or less). Two processes that write one stream, because none has a `service.instance.id`, are found and refused, and the counts of that window are missing and not wrong.
**Logs**: a record is an event, by its event name or else its text, with its attributes as the fields of TE-1, or as `map` reads them (`name` is the path of the name, `ts` of the time, `rfc3339`). **Traces**: a span of a name under `spans` is the event `completed`
with the span's duration, or `error` where its status is an error, with `exception.type` or `error.type` as the code; its id is the event's. A span that was sampled with a probability (`ot=th:` in its trace state) is refused: it stands for more than itself. The answer comes after the commit; what can't be
counted is named in the partial success and in the collector's log, own trouble is 503 with `Retry-After`, which they repeat.";

/// Telemetry by OTLP over HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOtlp {
    /// Attributes of a resource with the values that make its telemetry this target's; all of them.
    r#match: BTreeMap<String, Text>,
    /// The attribute, of a point of a metric or of its resource, that names the phase of what it counts: what is of another than
    /// the running phase is left out.
    phase: Option<Text>,
    /// What events are counted from, by their name.
    #[serde(default)]
    counters: BTreeMap<String, RawCounter>,
    /// What events and their durations are counted from, by their name.
    #[serde(default)]
    distributions: BTreeMap<String, RawDistribution>,
    /// Spans that are events, by the span's name.
    #[serde(default)]
    spans: BTreeMap<String, RawSpan>,
    /// Log records that are events.
    logs: Option<RawLogs>,
}

/// A counter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCounter {
    /// Name of a monotonic sum or of a histogram.
    metric: Text,
    /// Attributes of the points that count, with their values; all of them.
    #[serde(default)]
    r#where: BTreeMap<String, Text>,
    /// Attributes whose values are told apart, by what they are: `code` or `retryable`.
    #[serde(default)]
    breakdown: BTreeMap<String, Text>,
}

/// A histogram of durations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawDistribution {
    /// Name of a histogram.
    metric: Text,
    /// Attributes of the points that count, with their values; all of them.
    #[serde(default)]
    r#where: BTreeMap<String, Text>,
    /// What it is in: `s`, `ms`, `us` or `ns`; left out: what the metric says.
    unit: Option<Text>,
}

/// The events that a span is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSpan {
    /// The event of one that ended well.
    completed: Option<Text>,
    /// The event of one whose status is an error.
    error: Option<Text>,
}

/// Log records that are events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawLogs {
    /// Name of the scope (the logger) whose records they are; left out: all scopes.
    scope: Option<Text>,
}

/// Its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// From an attribute of the resource to its value.
    pub of_resource: BTreeMap<String, String>,
    pub phase: Option<String>,
    /// By event; those with durations among them.
    pub counters: BTreeMap<String, Counter>,
    /// By the span's name.
    pub spans: BTreeMap<String, Span>,
    pub logs: Option<Logs>,
}

/// What events are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    pub metric: String,
    /// From an attribute of the point to its value.
    pub only: BTreeMap<String, String>,
    /// From a field of the event to an attribute.
    pub breakdown: BTreeMap<String, String>,
    /// If durations are counted with it: what they are in, where the policy says it.
    pub durations: Option<Option<Unit>>,
}

/// The events that a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub completed: Option<String>,
    pub error: Option<String>,
}

/// Log records that are events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    pub scope: Option<String>,
}

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let raw: RawOtlp = section.read()?;
    if raw.r#match.is_empty() {
        let message = "expected an attribute of the resource and its value, such as { service.name: checkout }: \
                       all that is sent would count else";
        return Err(section.at("match").wrong(message));
    }
    let of_resource = attributes(section.at("match"), &raw.r#match)?;
    let mut counters = BTreeMap::new();
    for (event, raw) in &raw.counters {
        counters.insert(event.clone(), counter(section.at("counters").at(event), raw)?);
    }
    for (event, raw) in &raw.distributions {
        let place = section.at("distributions").at(event);
        if counters.insert(event.clone(), distribution(place, raw)?).is_some() {
            return Err(place.wrong("expected an event that is not among `counters`: it would count twice"));
        }
    }
    let mut spans = BTreeMap::new();
    for (name, raw) in &raw.spans {
        spans.insert(name.clone(), span(section.at("spans").at(name), raw)?);
    }
    let logs = match &raw.logs {
        Some(raw) => {
            let scope = raw.scope.as_ref().map(|scope| section.at("logs").text("scope", scope));
            Some(Logs { scope: scope.transpose()? })
        }
        None => None,
    };
    if counters.is_empty() && spans.is_empty() && logs.is_none() {
        return Err(
            section.wrong("expected at least one of `counters`, `distributions`, `spans` and `logs`: nothing is counted else")
        );
    }
    let phase = raw.phase.as_ref().map(|phase| section.text("phase", phase)).transpose()?;
    Ok(Chosen(Arc::new(Otlp { of_resource, phase, counters, spans, logs })))
}

fn attributes(place: &Section, raw: &BTreeMap<String, Text>) -> Result<BTreeMap<String, String>, Wrong> {
    raw.iter().map(|(key, value)| Ok((key.clone(), place.text(key, value)?))).collect()
}

fn counter(place: &Section, raw: &RawCounter) -> Result<Counter, Wrong> {
    Ok(Counter {
        metric: place.text("metric", &raw.metric)?,
        only: attributes(place.at("where"), &raw.r#where)?,
        breakdown: breakdown(place, &raw.breakdown)?,
        durations: None,
    })
}

fn distribution(place: &Section, raw: &RawDistribution) -> Result<Counter, Wrong> {
    let unit = raw.unit.as_ref().map(|unit| place.word("unit", unit, &Unit::ALL)).transpose()?;
    Ok(Counter {
        metric: place.text("metric", &raw.metric)?,
        only: attributes(place.at("where"), &raw.r#where)?,
        breakdown: BTreeMap::new(),
        durations: Some(unit),
    })
}

fn span(place: &Section, raw: &RawSpan) -> Result<Span, Wrong> {
    let event = |key: &str, raw: &Option<Text>| raw.as_ref().map(|text| place.text(key, text)).transpose();
    let span = Span { completed: event("completed", &raw.completed)?, error: event("error", &raw.error)? };
    if span.completed.is_none() && span.error.is_none() {
        return Err(place.wrong("expected `completed`, `error` or both: the events that such a span is"));
    }
    Ok(span)
}

impl Otlp {
    /// The attributes that make telemetry its, in words.
    #[must_use]
    pub fn whose(&self) -> String {
        pairs(&self.of_resource)
    }
}

fn pairs(of: &BTreeMap<String, String>) -> String {
    of.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" and ")
}

impl SourceSettings for Otlp {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        let Self { of_resource: _, phase, counters, spans, logs } = self;
        let mut words = format!("{} of {}", KIND.key, self.whose());
        if let Some(phase) = phase {
            words.push_str(&format!(", phase {phase}"));
        }
        for (event, Counter { metric, only, breakdown, durations }) in counters {
            words.push_str(&format!(", {event} of {metric}"));
            if let Some(unit) = durations {
                let unit = unit.map(|it| format!(" in {it}")).unwrap_or_default();
                words.push_str(&format!(" with durations{unit}"));
            }
            if !only.is_empty() {
                words.push_str(&format!(" where {}", pairs(only)));
            }
            for (field, attribute) in breakdown {
                words.push_str(&format!(" with {field} of {attribute}"));
            }
        }
        for (name, Span { completed, error }) in spans {
            let events: Vec<&str> = completed.iter().chain(error).map(String::as_str).collect();
            words.push_str(&format!(", spans {name} as {}", events.join(" or ")));
        }
        match logs {
            Some(Logs { scope: Some(scope) }) => words.push_str(&format!(", logs of {scope}")),
            Some(Logs { scope: None }) => words.push_str(", logs"),
            None => {}
        }
        words
    }

    fn is_pushed(&self) -> bool {
        true
    }

    fn made_of(&self, name: &str) -> Option<&str> {
        self.counters.get(name).map(|it| it.metric.as_str())
    }

    fn counted(&self) -> Vec<&str> {
        let plain = self.counters.iter().filter(|(_, it)| it.durations.is_none());
        plain.map(|(event, _)| event.as_str()).collect()
    }

    fn timed(&self) -> Vec<&str> {
        let timed = self.counters.iter().filter(|(_, it)| it.durations.is_some());
        timed.map(|(event, _)| event.as_str()).collect()
    }

    fn named(&self) -> Vec<([&str; 3], &str)> {
        let mut named = Vec::new();
        for (name, Span { completed, error }) in &self.spans {
            for (key, event) in [("completed", completed), ("error", error)] {
                named.extend(event.as_deref().map(|event| (["spans", name.as_str(), key], event)));
            }
        }
        named
    }
}
