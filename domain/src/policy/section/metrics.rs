//! `metrics`: what the gate looks at, by name.

use std::time::Duration;

use events::EventSpec;
use serde::Serialize;
use shared_types::decision::ViolationAction;

use super::control::{self, Control};
use super::metric_kind::RawMetric;
use crate::gate::metric::Metric;
use crate::kinds::{Chosen, Kinds};
use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::units::DisplayUnit;

pub(crate) const EXAMPLE: &str = r#"metrics:
  pay_latency_p95: { quantile: 0.95, of: checkout.pay.completed, field: duration_ms, display: s }
  error_rate: { ratio: checkout.pay.error, to: [checkout.pay.completed, checkout.pay.error], display: "%", control: { variant: control } }
  paid: { ratio: checkout.pay.completed, to: [checkout.pay.completed, checkout.pay.error], at_least: true, display: "%" }
  retries: { ratio: checkout.pay.retried, to: [checkout.pay.completed], display: "%" }
  crashes: { count: checkout.app.crashed }
  traffic: { count: checkout.pay.completed, at_least: true }
  lost_carts: { mean: checkout.cart.lost, over: 1h }
  collector_latency: { builtin: collector_latency, display: s }
"#;

#[derive(Debug, Clone, PartialEq)]
pub struct MetricPolicy {
    pub name: String,
    pub kind: Chosen<dyn Metric>,
    pub display: DisplayUnit,
    pub on_violation: ViolationAction,
    /// What it is held beside.
    pub control: Option<Control>,
}

impl MetricPolicy {
    /// The events that it and its control group are made from. Those of a variant are not named: each event has a twin.
    #[must_use]
    pub fn needs(&self) -> Vec<EventSpec> {
        let control = self.control.iter().filter(|control| control.variant.is_none());
        let control = control.flat_map(|control| control.kind.needs());
        self.kind.needs().into_iter().chain(control).collect()
    }
}

/// The metrics that are in order, in the file's order, each with what the gate's `on_violation` says of it; `path` is the
/// target's.
pub(crate) fn check(
    raw: &At<Entries<RawMetric>>,
    actions: &At<Entries<ViolationAction>>,
    kinds: &Kinds,
    window: Duration,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Vec<MetricPolicy> {
    let (metrics_path, actions_path) = (path.key("metrics"), path.key("gate").key("on_violation"));
    if raw.value.0.is_empty() {
        wrong.add(raw.wrong(&metrics_path, "expected at least one metric"));
    }
    let mut metrics: Vec<MetricPolicy> = Vec::new();
    for (name, metric) in &raw.value.0 {
        let path = metrics_path.key(name);
        let shown = wrong.note(control::check(metric, kinds, window, &path));
        let on_violation = actions.value.get(name).map(|action| action.value);
        if on_violation.is_none() {
            wrong.add(actions.wrong(&actions_path, format!("the metric `{name}` is missing")));
        }
        if let (Some(((kind, display), control)), Some(on_violation)) = (shown, on_violation) {
            let found = MetricPolicy { name: name.clone(), kind, display, on_violation, control };
            wrong.note(one_field_an_event(&found, &metrics, metric, &path));
            metrics.push(found);
        }
    }
    for (name, action) in &actions.value.0 {
        wrong.note(known_metric(name, action, &raw.value, &actions_path.key(name)));
    }
    metrics
}

/// A batch has one distribution an event, so all metrics of an event look at the same field.
fn one_field_an_event(
    metric: &MetricPolicy,
    earlier: &[MetricPolicy],
    raw: &At<RawMetric>,
    path: &Path,
) -> Checked<()> {
    let timed = |metric: &MetricPolicy| {
        let needs = metric.needs().into_iter();
        needs.filter_map(|event| Some((event.name, event.duration_field?))).collect::<Vec<_>>()
    };
    for (event, field) in timed(metric) {
        for other in earlier {
            if let Some((_, taken)) = timed(other).iter().find(|(of, other)| *of == event && *other != field)
            {
                let message =
                    format!("expected `{taken}`, as in the metric `{}` of the same event", other.name);
                return Err(raw.wrong(&path.key("field"), message));
            }
        }
    }
    Ok(())
}

/// Whether the target has a metric of the name that stands at `place`, be its section in order or not.
pub(crate) fn known_metric<T>(
    name: &str,
    place: &At<T>,
    metrics: &Entries<RawMetric>,
    path: &Path,
) -> Checked<()> {
    if metrics.get(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = metrics.0.iter().map(|(name, _)| name.as_str()).collect();
    Err(place.wrong(path, format!("`{name}` is not a metric; expected one of {}", known.join(", "))))
}

pub(crate) fn diff(place: &str, old: &[MetricPolicy], new: &[MetricPolicy], list: &mut Changes) {
    for metric in new {
        let MetricPolicy { name, kind, display, on_violation, control } = metric;
        let Some(before) = old.iter().find(|it| it.name == *name) else {
            list.add(place, format!("metric {name} is new: {}", kind.words()), Effect::Stricter);
            continue;
        };
        list.text(place, &format!("metric {name}:"), &before.kind.words(), &kind.words());
        list.text(place, &format!("metric {name} shown in"), before.display.symbol(), display.symbol());
        let words = |control: &Option<Control>| control.as_ref().map_or("none".to_owned(), Control::words);
        list.text(place, &format!("control group of {name}:"), &words(&before.control), &words(control));
        let action = |action: ViolationAction| action.as_str().to_owned();
        list.less_is_looser(
            place,
            &format!("on violation of {name}:"),
            before.on_violation,
            *on_violation,
            action,
        );
    }
    for metric in old.iter().filter(|it| new.iter().all(|new| new.name != it.name)) {
        list.add(place, format!("metric {} is left out", metric.name), Effect::Looser);
    }
}

/// A metric at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricSummary {
    pub metric: String,
    /// `s`, `ms`, `%` or empty.
    pub unit: &'static str,
    pub on_violation: ViolationAction,
}

pub(crate) fn summary(metrics: &[MetricPolicy]) -> Vec<MetricSummary> {
    let one = |metric: &MetricPolicy| MetricSummary {
        metric: metric.name.clone(),
        unit: metric.display.symbol(),
        on_violation: metric.on_violation,
    };
    metrics.iter().map(one).collect()
}
