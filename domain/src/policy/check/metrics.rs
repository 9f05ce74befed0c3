//! Metrics and the gate: each metric of one kind, in a unit that fits it, with an answer to its violation.

use std::time::Duration;

use super::{Checked, Path};
use crate::gate::metric::Metric;
use crate::kinds::Chosen;
use crate::policy::at::At;
use crate::policy::part::{Part, Written, has_key};
use crate::policy::raw::{RawGate, RawMetric, RawTarget};
use crate::policy::units::parse_ratio;
use crate::policy::{DisplayUnit, GatePolicy, MetricPolicy};

/// The metrics in the file's order, each with what the gate's `on_violation` says of it.
pub(super) fn metrics(
    raw: &RawTarget,
    written: Written<'_>,
    window: Duration,
    path: &Path,
) -> Checked<Vec<MetricPolicy>> {
    let (metrics_path, actions_path) = (path.key("metrics"), path.key("gate").key("on_violation"));
    if raw.metrics.value.0.is_empty() {
        return Err(raw.metrics.wrong(&metrics_path, "expected at least one metric"));
    }
    let actions = &raw.gate.on_violation;
    let mut metrics: Vec<MetricPolicy> = Vec::new();
    for (name, metric) in &raw.metrics.value.0 {
        let path = metrics_path.key(name);
        let (kind, display) = kind(metric, written, window, &path)?;
        one_field_an_event(&*kind, &metrics, metric, &path)?;
        let on_violation = actions.value.get(name).map(|action| action.value);
        let on_violation = on_violation
            .ok_or_else(|| actions.wrong(&actions_path, format!("the metric `{name}` is missing")))?;
        metrics.push(MetricPolicy { name: name.clone(), kind, display, on_violation });
    }
    for (name, action) in &actions.value.0 {
        known_metric(name, action, &metrics, &actions_path.key(name))?;
    }
    Ok(metrics)
}

/// The metric of that name, which stands at `place`.
pub(super) fn known_metric<'a, T>(
    name: &str,
    place: &At<T>,
    metrics: &'a [MetricPolicy],
    path: &Path,
) -> Checked<&'a MetricPolicy> {
    metrics.iter().find(|metric| metric.name == name).ok_or_else(|| {
        let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        place.wrong(path, format!("`{name}` is not a metric; expected one of {}", known.join(", ")))
    })
}

pub(super) fn gate(raw: &RawGate, path: &Path) -> Checked<GatePolicy> {
    let ratio = parse_ratio(&raw.warn_ratio.value.0).filter(|ratio| *ratio > 0.0 && *ratio < 1.0);
    let warn_ratio = ratio.ok_or_else(|| {
        let found = &raw.warn_ratio.value.0;
        let message = format!("expected a ratio between 0 and 1, such as 0.8 or 80%, found `{found}`");
        raw.warn_ratio.wrong(&path.key("warn_ratio"), message)
    })?;
    let min_samples = super::phases::whole(&raw.min_samples, 0, &path.key("min_samples"))?;
    Ok(GatePolicy { warn_ratio, min_samples })
}

/// Which kind it is; keys of another kind are refused rather than ignored.
fn kind(
    raw: &At<RawMetric>,
    written: Written<'_>,
    window: Duration,
    path: &Path,
) -> Checked<(Chosen<dyn Metric>, DisplayUnit)> {
    let (keys, kinds) = (&raw.value.0, written.kinds.metrics());
    let mut named = kinds.iter().filter(|kind| keys.place(kind.key).is_some());
    let (Some(kind), None) = (named.next(), named.next()) else {
        let all = all_of(&kinds.iter().map(|kind| kind.key).collect::<Vec<_>>());
        return Err(raw.wrong(path, format!("expected exactly one of {all}")));
    };
    (kind.read)(&Part::new(written, raw, path.clone()), window).map_err(|wrong| {
        let belongs_elsewhere = |key: &&At<String>| {
            let others = kinds.iter().filter(|other| other.key != kind.key);
            !has_key(kind.schema, &key.value)
                && others.into_iter().any(|other| has_key(other.schema, &key.value))
        };
        let strange = keys.names().find(belongs_elsewhere);
        let place = strange.and_then(|key| Some((key, keys.place(&key.value)?)));
        place.map_or(wrong, |(key, place)| {
            place.wrong(&path.key(&key.value), "does not belong to this kind of metric")
        })
    })
}

fn all_of(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        quoted => quoted.concat(),
    }
}

/// A batch has one distribution an event, so all metrics of an event look at the same field.
fn one_field_an_event(
    kind: &dyn Metric,
    earlier: &[MetricPolicy],
    raw: &At<RawMetric>,
    path: &Path,
) -> Checked<()> {
    let timed = |kind: &dyn Metric| {
        let needs = kind.needs().into_iter();
        needs.filter_map(|event| Some((event.name, event.duration_field?))).collect::<Vec<_>>()
    };
    for (event, field) in timed(kind) {
        for metric in earlier {
            if let Some((_, taken)) =
                timed(&*metric.kind).iter().find(|(of, other)| *of == event && *other != field)
            {
                let message =
                    format!("expected `{taken}`, as in the metric `{}` of the same event", metric.name);
                return Err(raw.wrong(&path.key("field"), message));
            }
        }
    }
    Ok(())
}
