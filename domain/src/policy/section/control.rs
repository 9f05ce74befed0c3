//! `metrics.<m>.control`: users, or events, that the feature cannot have touched, counted beside it (JU-9).

use std::time::Duration;

use serde_json::{Value, json};

use super::metric_kind::{self, RawMetric};
use crate::gate::metric::{Metric, MetricKind, Shown};
use crate::kinds::{Chosen, Kinds};
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};
use crate::policy::tree::{Entry, Node, Tree};

/// The key of a metric's section.
pub(crate) const KEY: &str = "control";
const VARIANT: &str = "variant";

/// What a metric is held beside.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// The metric's own kind, made from what is counted of the control group.
    pub kind: Chosen<dyn Metric>,
    /// The events' `variant` by which they are told apart; `None`, where they are other events.
    pub variant: Option<String>,
}

impl Control {
    /// In a few words of Markdown.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.variant {
            Some(variant) => format!("events of the variant `{variant}`"),
            None => self.kind.words(),
        }
    }
}

/// A metric's kind, and the control group it is held beside, if it names one.
pub(crate) fn check(
    raw: &At<RawMetric>,
    kinds: &Kinds,
    window: Duration,
    path: &Path,
) -> Checked<(Shown, Option<Control>)> {
    let (metric, section) = split(&raw.value.0);
    let metric = At { value: metric, line: raw.line, column: raw.column };
    let (kind, shown) = metric_kind::read(&metric, kinds, window, path)?;
    let path = path.key(KEY);
    let of = |section| read(section, (&metric.value, (kind, &shown)), kinds, window, &path);
    let control = section.map(of).transpose()?;
    Ok((shown, control))
}

/// A metric's section, and what its key `control` says, if it has one.
fn split(metric: &Tree) -> (Tree, Option<&At<Tree>>) {
    let Node::Map(entries) = &metric.0 else { return (metric.clone(), None) };
    let control = entries.iter().find(|(key, _)| key.value == KEY).map(|(_, section)| section);
    let others = entries.iter().filter(|(key, _)| key.value != KEY).cloned().collect();
    (Tree::map(others), control)
}

/// Reads `section`; `metric` is the section it belongs to, whose keys hold where it does not say otherwise.
fn read(
    section: &At<Tree>,
    (metric, (kind, shown)): (&Tree, (&MetricKind, &Shown)),
    kinds: &Kinds,
    window: Duration,
    path: &Path,
) -> Checked<Control> {
    let (own, _) = shown;
    if !kind.has_attempts {
        let message =
            "expected no control group: this metric has no attempts that could be held beside others";
        return Err(section.wrong(path, message));
    }
    let Node::Map(entries) = &section.value.0 else {
        return Err(section.wrong(path, "expected `variant`, or the events of the control group"));
    };
    if let Some((_, variant)) = entries.iter().find(|(key, _)| key.value == VARIANT) {
        let alone = entries.len() == 1;
        return of_variant(variant, alone, own, &path.key(VARIANT));
    }
    let merged = At { value: Tree::map(over(metric, entries)), line: section.line, column: section.column };
    let (_, (kind, _)) = metric_kind::read(&merged, kinds, window, path)?;
    if kind == *own {
        let message = "expected other events than the metric's own: it would be held beside itself";
        return Err(section.wrong(path, message));
    }
    Ok(Control { kind, variant: None })
}

fn of_variant(raw: &At<Tree>, alone: bool, kind: &Chosen<dyn Metric>, path: &Path) -> Checked<Control> {
    if !alone {
        return Err(raw.wrong(path, "expected nothing beside it: the events are the metric's own"));
    }
    let Node::Text(name) = &raw.value.0 else {
        return Err(raw.wrong(path, "expected the name of a variant"));
    };
    let is_name = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
    if !is_name {
        return Err(raw.wrong(path, format!("expected letters, digits, `-`, `_` or `.`, found `{name}`")));
    }
    let of = kind.of_variant(name).ok_or_else(|| {
        raw.wrong(path, "expected events of a control group: this kind of metric knows no variants")
    })?;
    Ok(Control { kind: of, variant: Some(name.clone()) })
}

/// The entries of a metric with those of its control group in their place.
fn over(metric: &Tree, entries: &[Entry]) -> Vec<Entry> {
    let Node::Map(own) = &metric.0 else { return entries.to_vec() };
    let kept = own.iter().filter(|(key, _)| entries.iter().all(|(other, _)| other.value != key.value));
    kept.chain(entries).cloned().collect()
}

/// The key in the schema of a metric's kind.
pub(crate) fn schema() -> Value {
    json!({
        "description": "Users, or events, that the feature cannot have touched: what is as bad there is not the feature's doing. Either `variant`: the same events, where their field `variant` says so; or the keys of the metric that are different there, such as `of`, `ratio` and `to`.",
        "type": "object",
        "properties": { "variant": { "type": "string", "description": "What the field `variant` of the control group's events says." } },
        "additionalProperties": true
    })
}

#[cfg(test)]
mod tests {
    use crate::gate::fixture::shipped_policy;
    use crate::policy::{MetricPolicy, Policy};

    /// The shipped policy with `control` in the section of its error rate, or of another metric.
    fn read(metric: &str, control: &str) -> Result<MetricPolicy, String> {
        let text = shipped_policy().text;
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{metric}:"))).unwrap();
        let with = line.replacen(" }", &format!(", control: {control} }}"), 1);
        let policy = Policy::parse(&text.replacen(line, &with, 1), "p").map_err(|error| error.to_string())?;
        let target = policy.targets.into_values().next().unwrap();
        Ok(target.metrics.into_iter().find(|it| it.name == metric).unwrap())
    }

    /// JU-9: either the same events of a variant, or other events; what is not said is as in the metric itself.
    #[test]
    fn a_control_group_is_a_variant_or_other_events() {
        let variant = read("error_rate", "{ variant: control }").unwrap();
        let control = variant.control.as_ref().unwrap();
        assert_eq!(control.words(), "events of the variant `control`");
        let counted: Vec<String> = control.kind.needs().into_iter().map(|it| it.name).collect();
        assert!(counted.contains(&"autosave.save.error@control".to_owned()), "{counted:?}");
        assert!(variant.needs().iter().all(|event| !event.name.contains('@')), "twins come by themselves");
        let sibling = "{ ratio: manual.save.error, to: [manual.save.completed, manual.save.error] }";
        let sibling = read("error_rate", sibling).unwrap();
        assert!(sibling.needs().iter().any(|event| event.name == "manual.save.error" && event.error));
        let other = read("save_latency_p95", "{ of: manual.save.completed }").unwrap();
        let words = other.control.unwrap().words();
        assert!(words.contains("p95 of `duration_ms` of `manual.save.completed`"), "{words}");
    }

    /// PO-1: each mistake names its place and what was expected.
    #[test]
    fn a_control_group_that_is_none_is_refused() {
        for (metric, control, expected) in [
            ("error_rate", "{ variant: \"a b\" }", "control.variant: expected letters, digits"),
            ("error_rate", "{ variant: control, ratio: x }", "expected nothing beside it"),
            ("error_rate", "control", "control: expected `variant`, or the events"),
            ("error_rate", "{ display: \"%\" }", "expected other events than the metric's own"),
            ("error_rate", "{ of: x }", "control"),
            (
                "error_rate",
                "{ ratio: manual.save.error, to: [manual.save.completed@old, manual.save.error] }",
                "error_rate.control.to[0]: expected the name of an event without `@`",
            ),
            ("history_drift", "{ variant: control }", "has no attempts"),
            ("collector_latency", "{ variant: control }", "has no attempts"),
        ] {
            let error = read(metric, control).unwrap_err();
            assert!(error.contains(expected) && error.contains("metrics."), "{control}: {error}");
        }
    }
}
