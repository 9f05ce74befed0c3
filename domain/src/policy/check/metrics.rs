//! Metrics and the gate: each metric of one kind, in a unit that fits it, with an answer to its violation.

use std::time::Duration;

use super::{Checked, Path, Wrong, duration, text};
use crate::policy::at::At;
use crate::policy::raw::{RawBuiltin, RawDisplay, RawGate, RawMetric, RawTarget};
use crate::policy::units::{parse_number, parse_ratio};
use crate::policy::{DisplayUnit, GatePolicy, MetricKind, MetricPolicy};

/// The metrics in the file's order, each with what the gate's `on_violation` says of it.
pub(super) fn metrics(raw: &RawTarget, window: Duration, path: &Path) -> Checked<Vec<MetricPolicy>> {
    let (metrics_path, actions_path) = (path.key("metrics"), path.key("gate").key("on_violation"));
    if raw.metrics.value.0.is_empty() {
        return Err(raw.metrics.wrong(&metrics_path, "expected at least one metric"));
    }
    let actions = &raw.gate.on_violation;
    let mut metrics: Vec<MetricPolicy> = Vec::new();
    for (name, metric) in &raw.metrics.value.0 {
        let path = metrics_path.key(name);
        let (kind, display) = kind(metric, window, &path)?;
        one_field_an_event(&kind, &metrics, metric, &path)?;
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

/// Which of the four kinds it is; keys of another kind are refused rather than ignored.
fn kind(raw: &At<RawMetric>, window: Duration, path: &Path) -> Checked<(MetricKind, DisplayUnit)> {
    let metric = &raw.value;
    let kinds =
        [metric.quantile.is_some(), metric.ratio.is_some(), metric.mean.is_some(), metric.builtin.is_some()];
    if kinds.iter().filter(|given| **given).count() != 1 {
        return Err(raw.wrong(path, "expected exactly one of `quantile`, `ratio`, `mean` and `builtin`"));
    }
    let keys = Keys { raw, path };
    if let Some(quantile) = &metric.quantile {
        keys.only(&["of", "field"])?;
        let path = path.key("quantile");
        let q = parse_number(&quantile.value.0).filter(|q| *q > 0.0 && *q <= 1.0).ok_or_else(|| {
            let message = format!(
                "expected a number above 0 and at most 1, such as 0.95, found `{}`",
                quantile.value.0
            );
            quantile.wrong(&path, message)
        })?;
        let (of, field) = (keys.text("of", metric.of.as_ref())?, keys.text("field", metric.field.as_ref())?);
        return Ok((MetricKind::Quantile { q, of, field }, keys.duration_display()?));
    }
    if metric.ratio.is_some() {
        keys.only(&["to"])?;
        let of = keys.text("ratio", metric.ratio.as_ref())?;
        let to = keys.whole(&of)?;
        let display =
            keys.display(&[DisplayUnit::Percent, DisplayUnit::Number], "`%`, or none for a plain number")?;
        return Ok((MetricKind::Ratio { of, to }, display));
    }
    if metric.mean.is_some() {
        keys.only(&["over"])?;
        let of = keys.text("mean", metric.mean.as_ref())?;
        let over_path = path.key("over");
        let over = metric.over.as_ref().ok_or_else(|| keys.missing("over"))?;
        let long = duration(over, &over_path)?;
        if long < window {
            let message = format!("expected at least one window, found `{}`", over.value.0);
            return Err(over.wrong(&over_path, message));
        }
        let display = keys.display(&[DisplayUnit::Number], "none: a mean is a plain number")?;
        return Ok((MetricKind::Mean { of, over: long }, display));
    }
    keys.only(&[])?;
    let kind = match metric.builtin.as_ref().map(|builtin| builtin.value) {
        Some(RawBuiltin::CollectorLatency) | None => MetricKind::CollectorLatency,
    };
    Ok((kind, keys.duration_display()?))
}

/// The keys of one metric.
struct Keys<'a> {
    raw: &'a At<RawMetric>,
    path: &'a Path,
}

impl Keys<'_> {
    fn missing(&self, key: &str) -> Wrong {
        self.raw.wrong(self.path, format!("the key `{key}` is missing"))
    }

    /// Refuses the companions of another kind.
    fn only(&self, allowed: &[&str]) -> Checked<()> {
        let metric = &self.raw.value;
        let place = |at: Option<(u64, u64)>, key: &'static str| at.map(|at| (key, at));
        let given = [
            place(metric.of.as_ref().map(|at| (at.line, at.column)), "of"),
            place(metric.field.as_ref().map(|at| (at.line, at.column)), "field"),
            place(metric.to.as_ref().map(|at| (at.line, at.column)), "to"),
            place(metric.over.as_ref().map(|at| (at.line, at.column)), "over"),
        ];
        match given.into_iter().flatten().find(|(key, _)| !allowed.contains(key)) {
            None => Ok(()),
            Some((key, at)) => {
                let message = "does not belong to this kind of metric".to_owned();
                Err(Wrong::new(at, self.path.key(key).0, message))
            }
        }
    }

    fn text(&self, key: &str, value: Option<&At<String>>) -> Checked<String> {
        let value = value.ok_or_else(|| self.missing(key))?;
        let path = self.path.key(key);
        let found = text(value, &path)?;
        if key == "field" && !found.ends_with("_ms") {
            let message =
                format!("expected a field in milliseconds, its name ending in `_ms`, found `{found}`");
            return Err(value.wrong(&path, message));
        }
        Ok(found)
    }

    /// The whole of a ratio, which must hold its part: else it could exceed 1.
    fn whole(&self, part: &str) -> Checked<Vec<String>> {
        let to = self.raw.value.to.as_ref().ok_or_else(|| self.missing("to"))?;
        let path = self.path.key("to");
        let whole = super::texts(&to.value, &path)?;
        if !whole.iter().any(|event| event == part) {
            return Err(to.wrong(&path, format!("expected `{part}` among the events of the whole")));
        }
        Ok(whole)
    }

    fn duration_display(&self) -> Checked<DisplayUnit> {
        self.display(&[DisplayUnit::Seconds, DisplayUnit::Milliseconds], "`s` or `ms`")
    }

    fn display(&self, allowed: &[DisplayUnit], expected: &str) -> Checked<DisplayUnit> {
        let raw = self.raw.value.display.as_ref();
        let unit = match raw.map(|display| display.value) {
            None => DisplayUnit::Number,
            Some(RawDisplay::Seconds) => DisplayUnit::Seconds,
            Some(RawDisplay::Milliseconds) => DisplayUnit::Milliseconds,
            Some(RawDisplay::Percent) => DisplayUnit::Percent,
        };
        if allowed.contains(&unit) {
            return Ok(unit);
        }
        match raw {
            None => Err(self.missing("display")),
            Some(raw) => Err(raw
                .wrong(&self.path.key("display"), format!("expected {expected}, found `{}`", unit.symbol()))),
        }
    }
}

/// A batch has one distribution an event, so all quantiles of an event look at the same field.
fn one_field_an_event(
    kind: &MetricKind,
    earlier: &[MetricPolicy],
    raw: &At<RawMetric>,
    path: &Path,
) -> Checked<()> {
    let MetricKind::Quantile { of, field, .. } = kind else { return Ok(()) };
    for metric in earlier {
        if let MetricKind::Quantile { of: other, field: taken, .. } = &metric.kind
            && other == of
            && taken != field
        {
            let message = format!("expected `{taken}`, as in the metric `{}` of the same event", metric.name);
            return Err(raw.wrong(&path.key("field"), message));
        }
    }
    Ok(())
}
