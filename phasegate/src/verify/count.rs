//! The dashboard's figures counted once more, by other means than the collector's and the gate's (DA-2).
//!
//! From the raw telemetry, where the policy's files can be read from here: every event of the window, each id once, the
//! exact nearest rank. Else from the archive's line: its counters and its histogram.

use std::collections::{BTreeMap, BTreeSet};

use collector_svc::sources::expand_patterns;
use domain::gate::metric::builtin::CollectorLatency;
use domain::gate::metric::count::Count;
use domain::gate::metric::mean::Mean;
use domain::gate::metric::quantile::Quantile;
use domain::gate::metric::ratio::Ratio;
use domain::policy::{DisplayUnit, MetricPolicy, TargetPolicy};
use domain::story::figures::{format_number, format_ratio};
use domain::telemetry::variants;
use serde_json::Value;
use shared_types::decision::MetricVerdict;
use shared_types::{Batch, Histogram, Timestamp, Window};

use super::facts::Facts;
use super::line::Line;
use super::{Finding, Item};

/// How far a figure may be off, and how far it should be at most.
const LIMIT: f64 = 0.05;
const GOAL: f64 = 0.001;

/// The telemetry of one window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counted {
    events: BTreeMap<String, u64>,
    /// By event and field, in order.
    values: BTreeMap<(String, String), Vec<f64>>,
}

/// Counts a window's lines in the files that the policy names; none if it names none, or none of them holds an event of
/// the window (it may have been pushed).
pub(super) fn telemetry(policy: &TargetPolicy, window: Window) -> Option<Counted> {
    let files = expand_patterns(policy.collection.source.files()?).ok()?;
    let files = files.unreadable.is_empty().then_some(files.paths)?;
    let mut counted = Counted::default();
    let mut seen = BTreeSet::new();
    let apart = variants(&policy.metrics);
    for file in files {
        let bytes = std::fs::read(file).ok()?;
        for line in bytes.split(|byte| *byte == b'\n') {
            counted.line(policy, &apart, window, line, &mut seen);
        }
    }
    (!counted.events.is_empty()).then(|| counted.sorted())
}

impl Counted {
    /// `apart`: the variants that have counts of their own.
    fn line(
        &mut self,
        policy: &TargetPolicy,
        apart: &[String],
        window: Window,
        line: &[u8],
        seen: &mut BTreeSet<String>,
    ) {
        let text = String::from_utf8_lossy(line);
        let Ok(event) = serde_json::from_str::<Value>(text.trim_start_matches(['\0', '\u{feff}'])) else {
            return;
        };
        let Some(at) = event["ts"].as_str().and_then(|text| Timestamp::parse(text).ok()) else { return };
        let Some(name) = event["name"].as_str() else { return };
        let variant = event["variant"].as_str().filter(|variant| apart.iter().any(|it| it == variant));
        let name = &variant.map_or_else(|| name.to_owned(), |variant| format!("{name}@{variant}"));
        if !(window.start..window.end).contains(&at) {
            return;
        }
        let id = event["event_id"].as_str().filter(|id| !id.is_empty());
        if id.is_some_and(|id| !seen.insert(id.to_owned())) {
            return;
        }
        for needed in policy.metrics.iter().flat_map(MetricPolicy::needs) {
            if let Some(field) = needed.duration_field
                && needed.name == *name
            {
                let Some(value) = event[&field].as_f64().filter(|value| *value >= 0.0) else { return };
                self.values.entry((needed.name, field)).or_default().push(value);
            }
        }
        *self.events.entry(name.to_owned()).or_default() += 1;
    }

    fn sorted(mut self) -> Self {
        for values in self.values.values_mut() {
            values.sort_by(f64::total_cmp);
        }
        self
    }

    fn quantile(&self, q: f64, of: &str, field: &str) -> Option<f64> {
        let values = self.values.get(&(of.to_owned(), field.to_owned()))?;
        (1..=values.len())
            .find(|rank| *rank as f64 >= q * values.len() as f64 - 1e-9)
            .map(|rank| values[rank - 1])
    }
}

/// Item 3.
pub(super) fn agrees(facts: &Facts) -> Finding {
    let nothing = |why: &str| Finding::not_checked(Item::Dashboard, why);
    let Some(card) = &facts.card else { return nothing("the dashboard does not show this target") };
    let Some(window) = card.window else {
        let phase = &facts.rollout.phase;
        if phase.is_gated() {
            return nothing("the dashboard shows no judged window yet");
        }
        let figure = format!("0 figures: the target is in phase {phase}, where nothing is judged or shown");
        return Finding::of(Item::Dashboard, figure, Vec::new());
    };
    let Some(policy) = &facts.policy else {
        return nothing("the policy that says how its figures are made cannot be read here");
    };
    let line = facts.lines.as_ref().and_then(|lines| lines.get(&window.start));
    let batch = match line {
        Some(Line::Whole(batch)) => Some(batch.as_ref()),
        _ => facts.batches.iter().map(|it| &it.batch).find(|batch| batch.window.start == window.start),
    };
    let Some(batch) = batch else {
        return nothing("there is no line and no batch of the window that the dashboard shows");
    };
    let (mut problems, mut worst, mut compared) = (Vec::new(), 0.0_f64, 0_u32);
    let mut uncounted = Vec::new();
    for slo in &card.slos {
        let Some(metric) = policy.metrics.iter().find(|metric| metric.name == slo.metric) else { continue };
        let Some(expected) = expected(metric, batch, facts) else {
            uncounted.push(slo.metric.as_str());
            continue;
        };
        match deviation(slo, expected) {
            Some(off) => {
                compared += 1;
                worst = worst.max(off);
                if off > LIMIT {
                    problems.push(said(slo, expected, off));
                }
            }
            None if slo.observed.is_some() != expected.is_some() => {
                problems.push(said(slo, expected, f64::INFINITY));
            }
            None => {}
        }
    }
    let by = if facts.telemetry.is_some() { "the telemetry" } else { "the archive" };
    let goal = if worst <= GOAL { "within" } else { "beyond" };
    let not_counted = match uncounted.as_slice() {
        [] => String::new(),
        names => format!("; not counted again: {}", names.join(", ")),
    };
    let figure = format!(
        "{compared} figures of {window} counted from {by}, off by {:.3} % at most ({goal} the goal of {:.1} %; limit {:.0} %){not_counted}",
        worst * 100.0,
        GOAL * 100.0,
        LIMIT * 100.0
    );
    Finding::of(Item::Dashboard, figure, problems)
}

fn said(slo: &MetricVerdict, expected: Option<f64>, off: f64) -> String {
    let number = |value: Option<f64>| {
        value.map_or_else(|| "nothing".to_owned(), |it| format!("{} {}", format_number(Some(it)), slo.unit))
    };
    let (shown, counted) = (number(slo.observed), number(expected));
    let off = if off.is_finite() { format!(" ({} off)", format_ratio(off)) } else { String::new() };
    format!("{}: shown {shown}, counted {counted}{off}", slo.metric)
}

/// Relative to what was counted; none if there is nothing on either side.
fn deviation(slo: &MetricVerdict, expected: Option<f64>) -> Option<f64> {
    let (shown, counted) = (slo.observed?, expected?);
    let distance = (shown - counted).abs();
    Some(if distance < 1e-9 { 0.0 } else { distance / counted.abs().max(1e-9) })
}

/// The figure by formulas of this file's own: independent on purpose of what the gate goes by, so that an error there is
/// not repeated here. A kind says what it is made from, no more; `None` for one of which nothing is written here.
fn expected(metric: &MetricPolicy, batch: &Batch, facts: &Facts) -> Option<Option<f64>> {
    let telemetry = facts.telemetry.as_ref();
    let count = |event: &str| {
        let of_batch = batch.counters.get(event).copied().unwrap_or(0);
        telemetry.map_or(of_batch, |counted| counted.events.get(event).copied().unwrap_or(0))
    };
    let scale = if metric.display == DisplayUnit::Percent { 100.0 } else { 1.0 };
    let shown = |ms: f64| if metric.display == DisplayUnit::Seconds { ms / 1000.0 } else { ms };
    let kind = &metric.kind;
    if let Some(Quantile { q, of, field }) = kind.of_kind() {
        return Some(match telemetry {
            Some(counted) => counted.quantile(*q, of, field).map(shown),
            None => {
                let histogram = batch.distributions.get(of).map(|it| Histogram::decode(&it.histogram));
                histogram.and_then(|it| it.ok()?.quantile(*q)).map(shown)
            }
        });
    }
    if let Some(Ratio { of, to, direction: _ }) = kind.of_kind() {
        let whole: u64 = to.iter().map(|event| count(event)).sum();
        return Some((whole > 0).then(|| count(of) as f64 / whole as f64 * scale));
    }
    if let Some(Count { of, window, direction: _ }) = kind.of_kind() {
        let windows = batch.window.length().as_secs_f64() / window.as_secs_f64();
        return Some(Some(count(of) as f64 / windows));
    }
    if let Some(Mean { of, over }) = kind.of_kind() {
        return Some(Some(mean(of, *over, batch, facts)));
    }
    kind.of_kind::<CollectorLatency>().map(|CollectorLatency| Some(shown(batch.collector_latency_ms as f64)))
}

/// Over the batches of its epoch that were here when it was judged.
fn mean(of: &str, over: std::time::Duration, batch: &Batch, facts: &Facts) -> f64 {
    let since = batch.window.end.minus(over);
    let judged = facts.batches.iter().find(|it| it.batch.window == batch.window).map(|it| it.received_at);
    let near = facts.batches.iter().filter(|it| {
        let other = it.batch.window;
        it.batch.epoch == batch.epoch
            && other.end > since
            && other.start < batch.window.start
            && judged.is_none_or(|at| it.received_at <= at)
    });
    let mut values: Vec<f64> =
        near.map(|it| it.batch.counters.get(of).copied().unwrap_or(0) as f64).collect();
    values.push(batch.counters.get(of).copied().unwrap_or(0) as f64);
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use domain::policy::Policy;

    use super::*;

    fn counted(lines: &str, apart: &[String]) -> Counted {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance/policy.yaml");
        let policy = Policy::load(&file).unwrap();
        let (_, policy) = policy.targets.iter().next().unwrap();
        let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let window = Window { start, end: start.plus(policy.collection.window) };
        let (mut counted, mut seen) = (Counted::default(), BTreeSet::new());
        for line in lines.as_bytes().split(|byte| *byte == b'\n') {
            counted.line(policy, apart, window, line, &mut seen);
        }
        counted.sorted()
    }

    fn saved(ms: u32, rest: &str) -> String {
        format!(
            "{{\"ts\":\"2026-11-22T10:00:01Z\",\"name\":\"autosave.save.completed\",\"duration_ms\":{ms}{rest}}}\n"
        )
    }

    /// DA-2, TE-8: a mark, a hole and an empty id are taken as the collector takes them.
    #[test]
    fn marks_and_empty_ids_are_as_the_collector_takes_them() {
        let unnamed = saved(1, r#","event_id":"""#);
        let counted = counted(&format!("\u{feff}{unnamed}\0\0{unnamed}"), &[]);
        assert_eq!(counted.events["autosave.save.completed"], 2);
    }

    /// DA-2, JU-9: events of a variant that is counted apart are no part of the figures of all others.
    #[test]
    fn a_variant_that_is_counted_apart_is_left_out_of_the_figures() {
        let lines = saved(1, "") + &saved(2, r#","variant":"b""#) + &saved(3, r#","variant":"control""#);
        let counts = |apart: &[String]| {
            let counted = counted(&lines, apart);
            let largest = counted.quantile(1.0, "autosave.save.completed", "duration_ms");
            (counted.events["autosave.save.completed"], largest)
        };
        assert_eq!(counts(&[]), (3, Some(3.0)));
        assert_eq!(counts(&["control".to_owned()]), (2, Some(2.0)));
    }
}
