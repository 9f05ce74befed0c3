//! `phases`: the steps of the rollout, named once, with a threshold for every metric.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared_types::PhaseId;

use super::advance::{self, Advance, RawAdvance};
use super::metric_kind::RawMetric;
use super::metrics::{MetricPolicy, known_metric};
use super::transitions::Transitions;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect, phase_names};
use crate::policy::forms::{Ratio, Threshold, names, text};
use crate::policy::lint::one;
use crate::policy::units::{DisplayUnit, parse_percent, parse_threshold, threshold_form};
use crate::story::figures::format_number;

/// One step of the rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPhase {
    /// Unique; not `off` and not `completed`.
    pub(in crate::policy) id: At<String>,
    /// Its name for people.
    name: At<String>,
    /// Share of the users who have the feature; not less than in the phase before.
    pub(in crate::policy) audience: At<Ratio>,
    /// The highest compliant value of each metric; of one with `at_least` the lowest.
    pub(in crate::policy) thresholds: At<Entries<Threshold>>,
    /// What it takes to move up.
    pub(in crate::policy) advance: At<RawAdvance>,
}

pub(crate) const EXAMPLE: &str = "\
phases:
  - id: A
    name: Canary
    audience: 5%
    thresholds:
      pay_latency_p95: 2.5s
      error_rate: 1.0%
      paid: 99%
      retries: 20%
      crashes: 5
      traffic: 20
      lost_carts: 0
      collector_latency: 3m
    advance: { compliant_batches: 8, approvals: [sre, dev-lead] }
  - id: B
    name: Default
    audience: 100%
    thresholds:
      pay_latency_p95: 2s
      error_rate: 0.5%
      paid: 99.5%
      retries: 20%
      crashes: 50
      traffic: 400
      lost_carts: 0
      collector_latency: 2m
    advance: { compliant_for: 24h, critical_alerts: 0, incident_notifications: 1, approvals: [governance] }
";

#[derive(Debug, Clone, PartialEq)]
pub struct PhasePolicy {
    pub id: PhaseId,
    pub name: String,
    /// Share of users, percent.
    pub audience_percent: f64,
    /// One per metric, by metric name, in the metric's display unit.
    pub thresholds: BTreeMap<String, f64>,
    pub advance: Advance,
}

/// The ids of a target's phases, be the rest of them in order or not; none if one of the ids is not.
pub(crate) fn ids(raw: &At<Vec<At<RawPhase>>>) -> Option<Vec<PhaseId>> {
    let mut ids: Vec<PhaseId> = Vec::new();
    for phase in &raw.value {
        let id = id(&phase.value.id, &Path::root()).ok().filter(|id| !ids.contains(id))?;
        ids.push(id);
    }
    Some(ids)
}

/// The metrics of a target: as the file names them, and those that are in order.
#[derive(Clone, Copy)]
pub(crate) struct Metrics<'a> {
    pub(crate) named: &'a Entries<RawMetric>,
    pub(crate) in_order: &'a [MetricPolicy],
}

/// Those that are in order.
pub(crate) fn check(
    raw: &At<Vec<At<RawPhase>>>,
    metrics: Metrics<'_>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Vec<PhasePolicy> {
    if raw.value.is_empty() {
        wrong.add(raw.wrong(path, "expected at least one phase"));
    }
    let mut phases: Vec<PhasePolicy> = Vec::new();
    for (index, one) in raw.value.iter().enumerate() {
        let (path, id) = (path.index(index), &one.value.id);
        if raw.value[..index].iter().any(|earlier| earlier.value.id.value == id.value) {
            wrong.add(id.wrong(&path.key("id"), format!("the phase `{}` stands there twice", id.value)));
        }
        phases.extend(phase(&one.value, metrics, &path, wrong));
    }
    phases
}

/// Whether each share of users can be served, and told from the others (PH-12).
pub(crate) fn check_shares(
    raw: &At<Vec<At<RawPhase>>>,
    transitions: &Transitions,
    target: &Path,
    wrong: &mut WrongPlaces,
) {
    let path = target.key("phases");
    let mut shares = Vec::new();
    for (index, one) in raw.value.iter().enumerate() {
        let Some(share) = parse_percent(&one.value.audience.value.0) else { continue };
        shares.push(share);
        if let Some(message) = transitions.executor.cannot_serve(share) {
            wrong.add(one.value.audience.wrong(&path.index(index).key("audience"), message));
        }
    }
    if let Some(message) = transitions.users.as_ref().and_then(|users| users.cannot_tell(&shares)) {
        wrong.add(raw.wrong(&path, message));
    }
}

fn phase(raw: &RawPhase, metrics: Metrics<'_>, path: &Path, wrong: &mut WrongPlaces) -> Option<PhasePolicy> {
    let id = wrong.note(id(&raw.id, &path.key("id")));
    let name = wrong.note(text(&raw.name, &path.key("name")));
    let audience_percent = wrong.note(audience(&raw.audience, &path.key("audience")));
    let thresholds = thresholds(&raw.thresholds, metrics, &path.key("thresholds"), wrong);
    let advance = advance::check(&raw.advance, &path.key("advance"), wrong);
    Some(PhasePolicy {
        id: id?,
        name: name?,
        audience_percent: audience_percent?,
        thresholds,
        advance: advance?,
    })
}

fn id(raw: &At<String>, path: &Path) -> Checked<PhaseId> {
    let id = PhaseId::parse(&raw.value).map_err(|error| raw.wrong(path, error.to_string()))?;
    if id.is_gated() {
        Ok(id)
    } else {
        Err(raw.wrong(path, format!("`{id}` is reserved for an end of the rollout")))
    }
}

fn audience(raw: &At<Ratio>, path: &Path) -> Checked<f64> {
    let audience = parse_percent(&raw.value.0).filter(|percent| *percent > 0.0 && *percent <= 100.0);
    audience.ok_or_else(|| {
        let found = &raw.value.0;
        raw.wrong(path, format!("expected a share above 0 and at most 100%, such as 5%, found `{found}`"))
    })
}

fn thresholds(
    raw: &At<Entries<Threshold>>,
    metrics: Metrics<'_>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> BTreeMap<String, f64> {
    let mut thresholds = BTreeMap::new();
    for (name, threshold) in &raw.value.0 {
        let path = path.key(name);
        wrong.note(known_metric(name, threshold, metrics.named, &path));
        let metric = metrics.in_order.iter().find(|metric| metric.name == *name);
        let value = metric.and_then(|metric| wrong.note(value(threshold, metric.display, &path)));
        thresholds.extend(value.map(|value| (name.clone(), value)));
    }
    for (name, _) in metrics.named.0.iter().filter(|(name, _)| raw.value.get(name).is_none()) {
        wrong.add(raw.wrong(path, format!("the metric `{name}` is missing")));
    }
    thresholds
}

fn value(raw: &At<Threshold>, unit: DisplayUnit, path: &Path) -> Checked<f64> {
    let text = &raw.value.0;
    parse_threshold(text, unit).ok_or_else(|| match unit {
        DisplayUnit::Percent if one::is_ambiguous(text) => one::wrong(raw, path, text),
        _ => raw.wrong(path, format!("expected {}, found `{text}`", threshold_form(unit))),
    })
}

/// Ids of phases, each of which the target has; `phases` is none while its own are not in order, and what names them then waits.
pub(crate) fn known_phases(
    raw: &[At<String>],
    phases: Option<&[PhaseId]>,
    path: &Path,
) -> Checked<Vec<PhaseId>> {
    names(raw, path)?;
    let Some(phases) = phases else { return Ok(Vec::new()) };
    let known: Vec<&str> = phases.iter().map(PhaseId::as_str).collect();
    let one = |(index, raw): (usize, &At<String>)| {
        let found = phases.iter().find(|phase| phase.as_str() == raw.value);
        found.cloned().ok_or_else(|| {
            let message = format!("`{}` is not a phase; expected one of {}", raw.value, known.join(", "));
            raw.wrong(&path.index(index), message)
        })
    };
    raw.iter().enumerate().map(one).collect()
}

/// The phases of a version, and the metrics they limit.
type Steps<'a> = (&'a [PhasePolicy], &'a [MetricPolicy]);

pub(crate) fn diff(name: &str, (old, old_metrics): Steps<'_>, (new, metrics): Steps<'_>, list: &mut Changes) {
    let order = |phases: &[PhasePolicy]| phase_names(phases.iter().map(|it| &it.id));
    let (before, after) = (order(old), order(new));
    if before != after {
        let fewer = old.iter().any(|it| new.iter().all(|new| new.id != it.id));
        let effect = if fewer { Effect::Looser } else { Effect::Other };
        list.add(name, format!("phases {before} → {after}"), effect);
    }
    for step in new {
        let Some(before) = old.iter().find(|it| it.id == step.id) else { continue };
        let place = format!("{name} phase {}", step.id);
        diff_phase(&place, (before, old_metrics), (step, metrics), list);
    }
}

fn diff_phase(
    place: &str,
    (old, old_metrics): (&PhasePolicy, &[MetricPolicy]),
    (new, metrics): (&PhasePolicy, &[MetricPolicy]),
    list: &mut Changes,
) {
    let PhasePolicy { id: _, name, audience_percent, thresholds, advance } = new;
    list.text(place, "name", &old.name, name);
    let percent = |percent: f64| format!("{}%", format_number(Some(percent)));
    list.more_is_looser(place, "audience", old.audience_percent, *audience_percent, percent);
    for metric in metrics {
        let before = old_metrics.iter().find(|it| it.name == metric.name);
        let (Some(before), Some(limit)) = (before, thresholds.get(&metric.name)) else { continue };
        let Some(old_limit) = old.thresholds.get(&metric.name) else { continue };
        let (from, to) = (threshold_words(before, old), threshold_words(metric, new));
        if from != to {
            // Thresholds of two units say nothing by their numbers.
            let effect = match before.display == metric.display {
                true if metric.kind.direction().is_looser(*limit, *old_limit) => Effect::Looser,
                true => Effect::Stricter,
                false => Effect::Other,
            };
            list.add(place, format!("{} {from} → {to}", metric.name), effect);
        }
    }
    advance::diff(place, &old.advance, advance, list);
}

/// `≤ 2.5 s`, `≥ 100`; `= 0` where nothing is allowed.
#[must_use]
pub(crate) fn threshold_words(metric: &MetricPolicy, phase: &PhasePolicy) -> String {
    let threshold = phase.thresholds.get(&metric.name).copied();
    let direction = metric.kind.direction();
    if threshold.is_some_and(|threshold| direction.allows_nothing(threshold)) {
        return "= 0".to_owned();
    }
    let space = if metric.display == DisplayUnit::Number { "" } else { " " };
    format!("{} {}{space}{}", direction.sign(), format_number(threshold), metric.display.symbol())
}

/// A phase at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseSummary {
    pub phase: String,
    pub name: String,
    pub audience_percent: f64,
    /// By metric, in its unit.
    pub thresholds: BTreeMap<String, f64>,
    /// In words.
    pub advance: String,
    pub approvals: Vec<String>,
    /// The thresholds as people read them, in the order of the metrics.
    #[serde(skip)]
    pub(in crate::policy) limits: Vec<String>,
}

pub(crate) fn summary(phases: &[PhasePolicy], metrics: &[MetricPolicy]) -> Vec<PhaseSummary> {
    let one = |phase: &PhasePolicy| PhaseSummary {
        phase: phase.id.to_string(),
        name: phase.name.clone(),
        audience_percent: phase.audience_percent,
        thresholds: phase.thresholds.clone(),
        advance: advance::words(&phase.advance),
        approvals: phase.advance.approvals.clone(),
        limits: metrics.iter().map(|metric| threshold_words(metric, phase)).collect(),
    };
    phases.iter().map(one).collect()
}

impl fmt::Display for PhaseSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let approvals = match self.approvals.as_slice() {
            [] => "no approval".to_owned(),
            roles => format!("approved by {}", roles.join(", ")),
        };
        let audience = format_number(Some(self.audience_percent));
        write!(f, "{} {} {audience}%: up after {}, {approvals}", self.phase, self.name, self.advance)
    }
}
