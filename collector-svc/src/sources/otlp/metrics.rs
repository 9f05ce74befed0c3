//! The data points of a request that count for a target.

use std::collections::BTreeMap;

use domain::sources::otlp::{Counter, Otlp};
use events::map::{NO_CODE, Unit};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, DataPointFlags, Metric};

use super::attributes::{self, Attributes, identity, parts};
use super::refused::Refused;
use super::spread::Spread;
use super::streams::{Amount, Point};

/// A data point that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub(crate) event: String,
    pub(crate) metric: String,
    /// Which process it is of.
    pub(crate) instance: String,
    /// What people know that process by.
    pub(crate) sender: String,
    pub(crate) stream: String,
    pub(crate) point: Point,
    /// What its buckets are in, where durations are asked for.
    pub(crate) durations: Option<Durations>,
    /// From a field of the event to its value.
    pub(crate) breakdown: BTreeMap<String, String>,
    /// Which phase says it is of.
    pub(crate) phase: Option<String>,
}

/// What the durations of a point are in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Durations {
    pub(crate) unit: Unit,
    /// In that unit; unknown of a point that says what came since its start.
    pub(crate) longest: Option<f64>,
}

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

/// The readings for a target with these settings, and whether any of the request's resources is its.
#[must_use]
pub fn readings(
    request: &ExportMetricsServiceRequest,
    settings: &Otlp,
    refused: &mut Refused,
) -> Option<Vec<Reading>> {
    let mut all = None;
    for of_resource in &request.resource_metrics {
        let resource =
            of_resource.resource.as_ref().map(|it| attributes::of(&it.attributes)).unwrap_or_default();
        if !attributes::fit(&resource, &settings.of_resource) {
            continue;
        }
        let readings = all.get_or_insert_with(Vec::new);
        for of_scope in &of_resource.scope_metrics {
            let scope = of_scope.scope.as_ref();
            let scope = scope.map(|it| [it.name.as_str(), it.version.as_str()]).unwrap_or_default();
            for metric in &of_scope.metrics {
                for (event, counter) in settings.counters.iter().filter(|(_, it)| it.metric == metric.name) {
                    let chosen = Chosen { resource: &resource, scope, metric, event, counter, settings };
                    let read = sent(metric)
                        .and_then(|(points, is_delta)| chosen.read(points, is_delta, readings, refused));
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
            let points = sum.data_points.iter().map(|it| Sent {
                attributes: &it.attributes,
                flags: it.flags,
                start: it.start_time_unix_nano,
                time: it.time_unix_nano,
                count: number(&it.value),
                spread: None,
                longest: None,
            });
            (points.collect(), sum.aggregation_temporality)
        }
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter().map(|it| Sent {
                attributes: &it.attributes,
                flags: it.flags,
                start: it.start_time_unix_nano,
                time: it.time_unix_nano,
                count: Some(it.count as f64),
                spread: Spread::explicit(&it.explicit_bounds, &it.bucket_counts, it.count),
                longest: it.max,
            });
            (points.collect(), histogram.aggregation_temporality)
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let points = histogram.data_points.iter().map(|it| Sent {
                attributes: &it.attributes,
                flags: it.flags,
                start: it.start_time_unix_nano,
                time: it.time_unix_nano,
                count: Some(it.count as f64),
                spread: {
                    let (zero, positive) = ((it.zero_threshold, it.zero_count), it.positive.as_ref());
                    let (offset, counts) =
                        positive.map(|it| (it.offset, &*it.bucket_counts)).unwrap_or_default();
                    Spread::exponential(it.scale, zero, offset, counts, it.count)
                },
                longest: it.max,
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
struct Chosen<'a> {
    resource: &'a Attributes,
    scope: [&'a str; 2],
    metric: &'a Metric,
    event: &'a str,
    counter: &'a Counter,
    settings: &'a Otlp,
}

impl Chosen<'_> {
    /// Or how many points cannot be counted, and why.
    fn read(
        &self,
        points: Vec<Sent<'_>>,
        is_delta: bool,
        readings: &mut Vec<Reading>,
        refused: &mut Refused,
    ) -> Result<(), (usize, String)> {
        let Self { resource, scope, metric, event, counter, settings } = self;
        let unit = match &counter.durations {
            None => None,
            Some(unit) => Some(unit.or_else(|| Unit::named(&metric.unit)).ok_or_else(|| {
                (points.len(), format!("is in `{}`, which is no unit of time: say its `unit`", metric.unit))
            })?),
        };
        let instance = identity(parts(resource));
        for sent in points {
            let of_point = attributes::of(sent.attributes);
            if sent.flags & DataPointFlags::NoRecordedValueMask as u32 != 0
                || !attributes::fit(&of_point, &counter.only)
            {
                continue;
            }
            let count = sent.count.filter(|it| it.is_finite() && *it >= 0.0);
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
            let own = [scope[0], scope[1], metric.name.as_str(), *event];
            let value =
                |attribute: &String| of_point.get(attribute).map_or(NO_CODE, String::as_str).to_owned();
            let phase = settings.phase.as_ref();
            let amount = Amount { count, spread: sent.spread.filter(|_| unit.is_some()) };
            readings.push(Reading {
                event: (*event).to_owned(),
                metric: metric.name.clone(),
                instance: instance.clone(),
                sender: sender(resource),
                stream: identity(own.into_iter().chain(parts(&of_point))),
                point: Point { is_delta, start: sent.start, time: sent.time, amount },
                durations: unit.map(|unit| Durations { unit, longest }),
                breakdown: counter
                    .breakdown
                    .iter()
                    .map(|(field, attribute)| (field.clone(), value(attribute)))
                    .collect(),
                phase: phase.map(|it| of_point.get(it).or(resource.get(it)).cloned().unwrap_or_default()),
            });
        }
        Ok(())
    }
}

/// What a histogram in seconds with the bounds that are shipped for milliseconds is told.
const SECONDS: &str = "is in seconds, and its buckets are the shipped ones for milliseconds: all that takes less than 5 s is in one, \
                       and no limit below can be judged. Give it bounds (a View, or the instrument's advice), or send exponential ones: \
                       OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram";

/// What people know a process by.
fn sender(resource: &Attributes) -> String {
    let known = ["service.name", "service.instance.id", "host.name"];
    let said: Vec<&str> = known.iter().filter_map(|key| resource.get(*key).map(String::as_str)).collect();
    said.join(" ")
}
