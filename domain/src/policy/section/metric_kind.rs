//! An entry of `metrics`: what it is made from, and the unit it is shown in.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::at::At;
use crate::policy::check::{Checked, Path, Wrong};
use crate::policy::forms::{Decimal, Dur, duration, text, texts};
use crate::policy::units::{format_duration, parse_number};
use crate::template::values::format_number;

/// One of `quantile`, `ratio`, `mean` and `builtin`, with the keys that belong to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["quantile", "of", "field", "display"] },
    { "required": ["ratio", "to"] },
    { "required": ["mean", "over"] },
    { "required": ["builtin", "display"] },
]))]
pub(crate) struct RawMetric {
    /// Which quantile of a duration, such as 0.95, by nearest rank; with `of`, `field` and `display`.
    quantile: Option<At<Decimal>>,
    /// The event whose duration is meant.
    of: Option<At<String>>,
    /// The event's field with the duration in milliseconds; its name ends in `_ms`.
    field: Option<At<String>>,
    /// The event that is counted in relation to those of `to`.
    ratio: Option<At<String>>,
    /// The events that together make the whole.
    to: Option<At<Vec<At<String>>>>,
    /// The event whose number a batch is averaged over the batches of the last `over`.
    mean: Option<At<String>>,
    /// How far back a `mean` looks; at least one window.
    over: Option<At<Dur>>,
    /// A figure the collector has of itself.
    builtin: Option<At<RawBuiltin>>,
    /// The unit of thresholds and messages: `s`, `ms` or `%`; without it a plain number.
    display: Option<At<RawDisplay>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawBuiltin {
    /// Time from a window's end to its complete batch.
    CollectorLatency,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
enum RawDisplay {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Percent.
    #[serde(rename = "%")]
    Percent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MetricKind {
    /// Quantile of a duration field of an event.
    Quantile { q: f64, of: String, field: String },
    /// count(of) ÷ Σ count(to).
    Ratio { of: String, to: Vec<String> },
    /// Mean count per batch over the batches of the last `over`.
    Mean { of: String, over: Duration },
    /// The batch's own `collector_latency_ms`.
    CollectorLatency,
}

/// How a metric's values are shown: the policy's thresholds are parsed into the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayUnit {
    Seconds,
    Milliseconds,
    Percent,
    Number,
}

impl DisplayUnit {
    /// `s`, `ms`, `%` or empty.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::Number => "",
        }
    }
}

/// Which of the four kinds it is; keys of another kind are refused rather than ignored.
pub(crate) fn check(
    raw: &At<RawMetric>,
    window: Duration,
    path: &Path,
) -> Checked<(MetricKind, DisplayUnit)> {
    let metric = &raw.value;
    let kinds =
        [metric.quantile.is_some(), metric.ratio.is_some(), metric.mean.is_some(), metric.builtin.is_some()];
    if kinds.iter().filter(|given| **given).count() != 1 {
        return Err(raw.wrong(path, "expected exactly one of `quantile`, `ratio`, `mean` and `builtin`"));
    }
    let keys = Keys { raw, path };
    if let Some(q) = &metric.quantile {
        return quantile(q, &keys);
    }
    if metric.ratio.is_some() {
        return ratio(&keys);
    }
    if metric.mean.is_some() {
        return mean(&keys, window);
    }
    builtin(&keys)
}

fn quantile(raw: &At<Decimal>, keys: &Keys<'_>) -> Checked<(MetricKind, DisplayUnit)> {
    keys.only(&["of", "field"])?;
    let q = parse_number(&raw.value.0).filter(|q| *q > 0.0 && *q <= 1.0).ok_or_else(|| {
        let message =
            format!("expected a number above 0 and at most 1, such as 0.95, found `{}`", raw.value.0);
        raw.wrong(&keys.path.key("quantile"), message)
    })?;
    let metric = &keys.raw.value;
    let (of, field) = (keys.text("of", metric.of.as_ref())?, keys.text("field", metric.field.as_ref())?);
    Ok((MetricKind::Quantile { q, of, field }, keys.duration_display()?))
}

fn ratio(keys: &Keys<'_>) -> Checked<(MetricKind, DisplayUnit)> {
    keys.only(&["to"])?;
    let of = keys.text("ratio", keys.raw.value.ratio.as_ref())?;
    let to = keys.whole(&of)?;
    let display =
        keys.display(&[DisplayUnit::Percent, DisplayUnit::Number], "`%`, or none for a plain number")?;
    Ok((MetricKind::Ratio { of, to }, display))
}

fn mean(keys: &Keys<'_>, window: Duration) -> Checked<(MetricKind, DisplayUnit)> {
    keys.only(&["over"])?;
    let of = keys.text("mean", keys.raw.value.mean.as_ref())?;
    let over_path = keys.path.key("over");
    let over = keys.raw.value.over.as_ref().ok_or_else(|| keys.missing("over"))?;
    let long = duration(over, &over_path)?;
    if long < window {
        let message = format!("expected at least one window, found `{}`", over.value.0);
        return Err(over.wrong(&over_path, message));
    }
    let display = keys.display(&[DisplayUnit::Number], "none: a mean is a plain number")?;
    Ok((MetricKind::Mean { of, over: long }, display))
}

fn builtin(keys: &Keys<'_>) -> Checked<(MetricKind, DisplayUnit)> {
    keys.only(&[])?;
    let kind = match keys.raw.value.builtin.as_ref().map(|builtin| builtin.value) {
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
                Err(Wrong::new(at, self.path.key(key).text(), message))
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
        let whole = texts(&to.value, &path)?;
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

/// What a metric is made from, in a few words.
#[must_use]
pub(crate) fn words(kind: &MetricKind) -> String {
    match kind {
        MetricKind::Quantile { q, of, field } => {
            format!("p{} of `{field}` of `{of}`, a batch", format_number(Some(q * 100.0)))
        }
        MetricKind::Ratio { of, to } => {
            let whole: Vec<String> = to.iter().map(|event| format!("`{event}`")).collect();
            format!("`{of}` ÷ ({}), a batch", whole.join(" + "))
        }
        MetricKind::Mean { of, over } => {
            format!("mean of `{of}` over the batches of the last {}", format_duration(*over))
        }
        MetricKind::CollectorLatency => "batch complete − window end".to_owned(),
    }
}
