//! A target: its title, its sections in the file's order, and the way from phase to phase.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_types::PhaseId;

use super::collection::{self, Collection, RawCollection};
use super::evidence::{self, EvidenceItem, RawEvidence};
use super::gate::{self, GatePolicy, RawGate};
use super::metric_kind::RawMetric;
use super::metrics::{self, MetricPolicy};
use super::notifications::{self, Notifications, RawNotifications};
use super::paging::{self, Paging, RawPaging};
use super::phases::{self, Metrics, PhasePolicy, RawPhase};
use super::rca::{self, RawRca, RcaPolicy};
use super::transitions::{self, ChosenExecutor, RawTransitions, Transitions};
use crate::kinds::Kinds;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::text;
use crate::policy::lint::Rule;

/// One feature under rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTarget {
    /// Its name for people.
    title: At<String>,
    /// Rules of the lint that do not hold here, such as `PL-1`.
    #[serde(default)]
    pub(in crate::policy) allow: Vec<At<Rule>>,
    /// Where its events come from and how they are cut into batches.
    pub(in crate::policy) collection: RawCollection,
    /// What the gate looks at, by name, made from what the collector counted.
    pub(in crate::policy) metrics: At<Entries<RawMetric>>,
    /// How metrics are judged.
    pub(in crate::policy) gate: RawGate,
    /// The steps of the rollout, lowest first; `off` below and `completed` above them are implicit.
    pub(in crate::policy) phases: At<Vec<At<RawPhase>>>,
    /// How a phase is changed.
    pub(in crate::policy) transitions: At<RawTransitions>,
    /// Which message goes where.
    pub(in crate::policy) notifications: RawNotifications,
    /// How people are paged.
    paging: RawPaging,
    /// What is asked for after an incident.
    pub(in crate::policy) rca: RawRca,
    /// The checklist of each incident; no phase moves up while it is incomplete.
    #[serde(default)]
    pub(in crate::policy) evidence: Vec<At<RawEvidence>>,
}

/// The sections of a target one after the other.
pub(crate) const EXAMPLES: [&str; 10] = [
    "title: Checkout\nallow: []   # rules of the lint that do not hold here, such as [PL-1]\n",
    collection::EXAMPLE,
    metrics::EXAMPLE,
    gate::EXAMPLE,
    phases::EXAMPLE,
    transitions::EXAMPLE,
    notifications::EXAMPLE,
    paging::EXAMPLE,
    rca::EXAMPLE,
    evidence::EXAMPLE,
];

/// Everything about one target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPolicy {
    pub title: String,
    /// Rules of the lint that do not hold for it.
    pub allow: Vec<Rule>,
    pub collection: Collection,
    /// In the file's order.
    pub metrics: Vec<MetricPolicy>,
    pub gate: GatePolicy,
    /// In order, lowest first; at least one.
    pub phases: Vec<PhasePolicy>,
    pub transitions: Transitions,
    pub notifications: Notifications,
    pub paging: Paging,
    pub rca: RcaPolicy,
    pub evidence: Vec<EvidenceItem>,
}

/// A target as far as it is in order, beside what stands in the file.
pub(crate) struct Parts<'a> {
    pub(in crate::policy) raw: &'a RawTarget,
    pub(in crate::policy) path: Path,
    title: Option<String>,
    pub(in crate::policy) collection: Option<Collection>,
    pub(in crate::policy) metrics: Vec<MetricPolicy>,
    pub(in crate::policy) gate: Option<GatePolicy>,
    pub(in crate::policy) phases: Vec<PhasePolicy>,
    executor: Option<ChosenExecutor<'a>>,
    transitions: Option<Transitions>,
    notifications: Option<Notifications>,
    paging: Option<Paging>,
    rca: Option<RcaPolicy>,
    evidence: Vec<EvidenceItem>,
}

/// What is wrong is noted, and the rest looked at all the same.
pub(crate) fn check<'a>(
    raw: &'a RawTarget,
    kinds: &'a Kinds,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Parts<'a> {
    let title = wrong.note(text(&raw.title, &path.key("title")));
    let collection = collection::check(&raw.collection, kinds, &path.key("collection"), wrong);
    // Nothing is shorter than a window that is not known.
    let window = collection.as_ref().map_or(Duration::ZERO, |it| it.window);
    let metrics = metrics::check(&raw.metrics, &raw.gate.on_violation, kinds, window, path, wrong);
    let known = Metrics { named: &raw.metrics.value, in_order: &metrics };
    let phases = phases::check(&raw.phases, known, &path.key("phases"), wrong);
    let ids = phases::ids(&raw.phases);
    let at = path.key("transitions");
    let executor = wrong.note(transitions::executor(&raw.transitions, kinds, &at));
    let transitions =
        transitions::check(&raw.transitions, executor.as_ref(), collection.as_ref(), &at, wrong);
    let at = path.key("notifications");
    let notifications =
        notifications::check(&raw.notifications, kinds, &raw.metrics.value, ids.as_deref(), &at, wrong);
    Parts {
        gate: gate::check(&raw.gate, &path.key("gate"), wrong),
        paging: paging::check(&raw.paging, &path.key("paging"), wrong),
        rca: rca::check(&raw.rca, &path.key("rca"), wrong),
        evidence: evidence::check(&raw.evidence, &path.key("evidence"), wrong),
        raw,
        path: path.clone(),
        title,
        collection,
        metrics,
        phases,
        executor,
        transitions,
        notifications,
    }
}

impl<'a> Parts<'a> {
    /// The kind that moves it, if its section is in order.
    pub(in crate::policy) fn executor(&self) -> Option<&ChosenExecutor<'a>> {
        self.transitions.as_ref().and(self.executor.as_ref())
    }

    /// The phases with the place of each.
    pub(in crate::policy) fn placed(&self) -> impl Iterator<Item = (&PhasePolicy, &'a RawPhase, Path)> {
        let (raw, path) = (&self.raw.phases.value, self.path.key("phases"));
        self.phases.iter().filter_map(move |phase| {
            let index = raw.iter().position(|it| it.value.id.value == phase.id.as_str())?;
            Some((phase, &raw[index].value, path.index(index)))
        })
    }

    /// The whole; none only if something was noted.
    pub(crate) fn whole(self) -> Option<TargetPolicy> {
        Some(TargetPolicy {
            title: self.title?,
            allow: self.raw.allow.iter().map(|rule| rule.value).collect(),
            collection: self.collection?,
            metrics: self.metrics,
            gate: self.gate?,
            phases: self.phases,
            transitions: self.transitions?,
            notifications: self.notifications?,
            paging: self.paging?,
            rca: self.rca?,
            evidence: self.evidence,
        })
    }
}

pub(crate) fn diff(name: &str, old: &TargetPolicy, new: &TargetPolicy, list: &mut Changes) {
    let before = list.len();
    let TargetPolicy {
        title,
        allow,
        collection,
        metrics,
        gate,
        phases,
        transitions,
        notifications,
        paging,
        rca,
        evidence,
    } = new;
    list.text(name, "title", &old.title, title);
    for rule in allow.iter().filter(|rule| !old.allow.contains(rule)) {
        list.add(name, format!("{rule} of the lint does not hold any more"), Effect::Looser);
    }
    for rule in old.allow.iter().filter(|rule| !allow.contains(rule)) {
        list.add(name, format!("{rule} of the lint holds again"), Effect::Stricter);
    }
    collection::diff(name, &old.collection, collection, list);
    metrics::diff(name, &old.metrics, metrics, list);
    gate::diff(name, &old.gate, gate, list);
    phases::diff(name, (&old.phases, &old.metrics), (phases, metrics), list);
    transitions::diff(name, &old.transitions, transitions, list);
    notifications::diff(name, &old.notifications, notifications, list);
    paging::diff(name, &old.paging, paging, list);
    rca::diff(name, &old.rca, rca, list);
    evidence::diff(name, &old.evidence, evidence, list);
    if list.len() == before && old != new {
        list.add(name, "something differs that has no words here; compare the files", Effect::Other);
    }
}

/// The phase below and above, `off` and `completed` included (PH-1).
impl TargetPolicy {
    /// The phase with this id; `None` for `off`, `completed` and unknown ids.
    #[must_use]
    pub fn phase(&self, id: &PhaseId) -> Option<&PhasePolicy> {
        self.phases.iter().find(|phase| &phase.id == id)
    }

    /// Where a phase stands: 0 = `off`, 1 = the first, …, `completed` last; `None` for an unknown id.
    #[must_use]
    pub fn position(&self, id: &PhaseId) -> Option<usize> {
        match self.phases.iter().position(|phase| &phase.id == id) {
            Some(index) => Some(index + 1),
            None if id.is_off() => Some(0),
            None if id.is_completed() => Some(self.phases.len() + 1),
            None => None,
        }
    }

    /// The share of users in a phase, percent: 0 in `off` and unknown phases, the last phase's in `completed`.
    #[must_use]
    pub fn audience_percent(&self, id: &PhaseId) -> f64 {
        let phase = if id.is_completed() { self.phases.last() } else { self.phase(id) };
        phase.map_or(0.0, |phase| phase.audience_percent)
    }

    /// The phases that serve the same share of users as this one, itself among them: a flag system that knows shares only cannot
    /// tell them apart.
    #[must_use]
    pub fn served_alike(&self, id: &PhaseId) -> Vec<PhaseId> {
        let share = self.audience_percent(id);
        let gated = self.phases.iter().map(|phase| phase.id.clone());
        let all = [PhaseId::off()].into_iter().chain(gated).chain([PhaseId::completed()]);
        all.filter(|it| it == id || self.audience_percent(it).total_cmp(&share).is_eq()).collect()
    }

    /// One phase down: C→B, B→A, A→off; from `completed` the last phase; `None` from `off` or an unknown id.
    #[must_use]
    pub fn below(&self, id: &PhaseId) -> Option<PhaseId> {
        if id.is_completed() {
            return self.phases.last().map(|phase| phase.id.clone());
        }
        let at = self.phases.iter().position(|phase| &phase.id == id)?;
        Some(at.checked_sub(1).map_or_else(PhaseId::off, |below| self.phases[below].id.clone()))
    }

    /// One phase up: off→A, A→B, C→completed; `None` from `completed` or an unknown id.
    #[must_use]
    pub fn above(&self, id: &PhaseId) -> Option<PhaseId> {
        if id.is_off() {
            return self.phases.first().map(|phase| phase.id.clone());
        }
        let at = self.phases.iter().position(|phase| &phase.id == id)?;
        Some(self.phases.get(at + 1).map_or_else(PhaseId::completed, |above| above.id.clone()))
    }
}
