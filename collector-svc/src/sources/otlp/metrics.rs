//! The data points of a request that count for a target.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::sources::SourceSettings as _;
use domain::sources::otlp::{Counter, Otlp};
use events::map::{NO_CODE, Unit};
use events::records::OTHER_CODE;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, DataPointFlags, Metric};

use super::attributes::{self, cut, identity, identity_of};
use super::refused::Refused;
use super::spread::Spread;
use super::streams::{Amount, Point};

/// A data point that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub(crate) event: String,
    pub(crate) metric: String,
    /// Which process it is of. By other settings each is counted apart: what they have not seen before does not begin with
    /// nothing.
    pub(crate) instance: Arc<str>,
    /// What people know that process by.
    pub(crate) sender: Arc<str>,
    pub(crate) stream: String,
    pub(crate) point: Point,
    /// What its buckets are in, where durations are asked for.
    pub(crate) durations: Option<Durations>,
    /// From a field of the event to its value.
    pub(crate) breakdown: BTreeMap<String, String>,
    /// Which phase says it is of.
    pub(crate) phase: Option<Arc<str>>,
}

/// What the durations of a point are in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Durations {
    pub(crate) unit: Unit,
    /// In that unit; unknown of a point that says what came since its start.
    pub(crate) longest: Option<f64>,
}

/// A longer code is none that anybody reads.
const CODE_MAX: usize = 64;
/// What counts more counts nothing: sums of it are exact.
const COUNT_MAX: f64 = 1e15;

/// A point, as it is sent.
struct Sent<'a> {
    attributes: &'a [KeyValue],
    flags: u32,
    start: u64,
    time: u64,
    count: Option<f64>,
    spread: Option<Spread>,
    longest: Option<f64>,
}

impl<'a> Sent<'a> {
    /// Without durations.
    fn of(attributes: &'a [KeyValue], flags: u32, (start, time): (u64, u64), count: Option<f64>) -> Self {
        Self { attributes, flags, start, time, count, spread: None, longest: None }
    }
}

/// The readings for a target with these settings, and whether any of the request's resources is its.
#[must_use]
pub fn readings(
    request: &ExportMetricsServiceRequest,
    settings: &Otlp,
    refused: &mut Refused,
) -> Option<Vec<Reading>> {
    let (mut all, words) = (None, settings.words());
    for of_resource in &request.resource_metrics {
        let resource = of_resource.resource.as_ref().map(|it| it.attributes.as_slice()).unwrap_or_default();
        if !attributes::fit(resource, &settings.of_resource) {
            continue;
        }
        let of_process = Process::of(resource, settings, &words);
        let readings = all.get_or_insert_with(Vec::new);
        for of_scope in &of_resource.scope_metrics {
            let scope = of_scope.scope.as_ref();
            let scope = scope.map(|it| identity([&*it.name, &*it.version, &*identity_of(&it.attributes)]));
            let scope = scope.unwrap_or_default();
            for metric in &of_scope.metrics {
                for (event, counter) in settings.counters.iter().filter(|(_, it)| it.metric == metric.name) {
                    let selected =
                        Selected { process: &of_process, scope: &scope, metric, event, counter, settings };
                    let read = sent(metric)
                        .and_then(|(points, is_delta)| selected.read(points, is_delta, readings, refused));
                    if let Err((points, why)) = read {
                        refused.add(points, format!("`{}` {why}", metric.name));
                    }
                }
            }
        }
    }
    all
}

/// The points, and whether each says only what came since the one before; or how many there are that cannot be counted,
/// and why.
fn sent(metric: &Metric) -> Result<(Vec<Sent<'_>>, bool), (usize, String)> {
    let number = |value: &Option<Value>| match value {
        Some(Value::AsDouble(it)) => Some(*it),
        Some(Value::AsInt(it)) => Some(*it as f64),
        None => None,
    };
    let (points, temporality): (Vec<Sent<'_>>, i32) = match &metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => {
            let points = sum.data_points.iter().map(|it| {
                let times = (it.start_time_unix_nano, it.time_unix_nano);
                Sent::of(&it.attributes, it.flags, times, number(&it.value))
            });
            (points.collect(), sum.aggregation_temporality)
        }
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter().map(|it| {
                let times = (it.start_time_unix_nano, it.time_unix_nano);
                let sent = Sent::of(&it.attributes, it.flags, times, Some(it.count as f64));
                let spread = Spread::explicit(&it.explicit_bounds, &it.bucket_counts, it.count);
                Sent { spread, longest: it.max, ..sent }
            });
            (points.collect(), histogram.aggregation_temporality)
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let points = histogram.data_points.iter().map(|it| {
                let times = (it.start_time_unix_nano, it.time_unix_nano);
                let sent = Sent::of(&it.attributes, it.flags, times, Some(it.count as f64));
                let (offset, counts) =
                    it.positive.as_ref().map(|it| (it.offset, &*it.bucket_counts)).unwrap_or_default();
                let zero = (it.zero_threshold, it.zero_count);
                let spread = Spread::exponential(it.scale, zero, offset, counts, it.count);
                Sent { spread, longest: it.max, ..sent }
            });
            (points.collect(), histogram.aggregation_temporality)
        }
        Some(Data::Sum(sum)) => {
            return Err((sum.data_points.len(), "is a sum that can fall, and counts nothing".to_owned()));
        }
        Some(Data::Gauge(gauge)) => {
            return Err((gauge.data_points.len(), "is a gauge, and counts nothing".to_owned()));
        }
        Some(Data::Summary(summary)) => {
            return Err((summary.data_points.len(), "is a summary; send a histogram or a sum".to_owned()));
        }
        // JSON whose points or enumerations are not as the format has them is read as nothing.
        None => return Err((1, "has no points that can be read".to_owned())),
    };
    match AggregationTemporality::try_from(temporality) {
        Ok(AggregationTemporality::Delta) => Ok((points, true)),
        Ok(AggregationTemporality::Cumulative) => Ok((points, false)),
        Ok(AggregationTemporality::Unspecified) | Err(_) => {
            Err((points.len(), "does not say whether it is delta or cumulative".to_owned()))
        }
    }
}

/// A metric that an event is counted from.
struct Selected<'a> {
    process: &'a Process,
    scope: &'a str,
    metric: &'a Metric,
    event: &'a str,
    counter: &'a Counter,
    settings: &'a Otlp,
}

impl Selected<'_> {
    /// Or how many points cannot be counted, and why.
    fn read(
        &self,
        points: Vec<Sent<'_>>,
        is_delta: bool,
        readings: &mut Vec<Reading>,
        refused: &mut Refused,
    ) -> Result<(), (usize, String)> {
        let Self { process, scope, metric, event, counter, settings } = self;
        let unit = match &counter.durations {
            None => None,
            Some(unit) => Some(unit.or_else(|| Unit::named(&metric.unit)).ok_or_else(|| {
                (points.len(), format!("is in `{}`, which is no unit of time: say its `unit`", metric.unit))
            })?),
        };
        for sent in points {
            if sent.flags & DataPointFlags::NoRecordedValueMask as u32 != 0
                || !attributes::fit(sent.attributes, &counter.only)
            {
                continue;
            }
            let count = sent.count.filter(|it| (0.0..COUNT_MAX).contains(it));
            let (Some(count), true) = (count, sent.time > 0 && sent.start <= sent.time) else {
                refused.add(1, format!("a point of `{}` has no time, or no count", metric.name));
                continue;
            };
            if unit.is_some() && sent.spread.is_none() {
                refused.add(1, format!("a point of `{}` has no buckets of durations", metric.name));
                continue;
            }
            if unit == Some(Unit::Seconds) && sent.spread.as_ref().is_some_and(Spread::is_for_milliseconds) {
                refused.add(0, format!("`{}` {SECONDS}", metric.name));
            }
            let longest = sent.longest.filter(|it| is_delta && it.is_finite());
            let of_point = attributes::of(sent.attributes);
            let own = [scope, metric.name.as_str(), event, &identity_of(sent.attributes)];
            let value = |attribute: &String| match of_point.get(attribute) {
                None => NO_CODE.to_owned(),
                Some(value) if value.len() > CODE_MAX => OTHER_CODE.to_owned(),
                Some(value) => value.clone(),
            };
            let own_phase = settings.phase.as_ref().and_then(|it| of_point.get(it));
            let amount = Amount { count, spread: sent.spread.filter(|_| unit.is_some()) };
            readings.push(Reading {
                event: (*event).to_owned(),
                metric: metric.name.clone(),
                instance: Arc::clone(&process.instance),
                sender: Arc::clone(&process.sender),
                stream: identity(own),
                point: Point { is_delta, start: sent.start, time: sent.time, amount },
                durations: unit.map(|unit| Durations { unit, longest }),
                breakdown: counter
                    .breakdown
                    .iter()
                    .map(|(field, attribute)| (field.clone(), value(attribute)))
                    .collect(),
                phase: own_phase.map(|it| cut(it).into()).or_else(|| process.phase.clone()),
            });
        }
        Ok(())
    }
}

/// What a histogram in seconds with the bounds that are shipped for milliseconds is told.
const SECONDS: &str = "is in seconds, and its buckets are the shipped ones for milliseconds: all that takes less than 5 s is in one, \
                       and no limit below can be judged. Give it bounds (a View, or the instrument's advice), or send exponential ones: \
                       OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram";

/// Who sends.
struct Process {
    instance: Arc<str>,
    sender: Arc<str>,
    /// Where the settings ask for it: what is of none is of another than the running one.
    phase: Option<Arc<str>>,
}

impl Process {
    fn of(resource: &[KeyValue], settings: &Otlp, words: &str) -> Self {
        let attributes = attributes::of(resource);
        let known = ["service.name", "service.instance.id", "host.name"];
        let said: Vec<String> =
            known.iter().filter_map(|key| attributes.get(*key).map(|it| cut(it))).collect();
        let phase = |key: &String| cut(attributes.get(key).map_or("", String::as_str)).into();
        Self {
            instance: identity([words, &identity_of(resource)]).into(),
            sender: said.join(" ").into(),
            phase: settings.phase.as_ref().map(phase),
        }
    }
}
