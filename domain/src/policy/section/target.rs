//! A target: its title, its sections in the file's order, and the way from phase to phase.

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
use super::phases::{self, PhasePolicy, RawPhase};
use super::rca::{self, RawRca, RcaPolicy};
use super::transitions::{self, RawTransitions, Transitions};
use crate::kinds::Kinds;
use crate::policy::at::{At, Entries};
use crate::policy::check::{Checked, Path};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::text;

/// One feature under rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTarget {
    /// Its name for people.
    title: At<String>,
    /// Where its events come from and how they are cut into batches.
    collection: RawCollection,
    /// What the gate looks at, by name, made from what the collector counted.
    metrics: At<Entries<RawMetric>>,
    /// How metrics are judged.
    gate: RawGate,
    /// The steps of the rollout, lowest first; `off` below and `completed` above them are implicit.
    pub(in crate::policy) phases: At<Vec<At<RawPhase>>>,
    /// How a phase is changed.
    transitions: At<RawTransitions>,
    /// Which message goes where.
    notifications: RawNotifications,
    /// How people are paged.
    paging: RawPaging,
    /// What is asked for after an incident.
    rca: RawRca,
    /// The checklist of each incident; no phase moves up while it is incomplete.
    #[serde(default)]
    evidence: Vec<At<RawEvidence>>,
}

/// The sections of a target one after the other.
pub(crate) const EXAMPLES: [&str; 10] = [
    "title: Checkout\n",
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

pub(crate) fn check(raw: &RawTarget, kinds: &Kinds, path: &Path) -> Checked<TargetPolicy> {
    let title = text(&raw.title, &path.key("title"))?;
    let collection = collection::check(&raw.collection, kinds, &path.key("collection"))?;
    let metrics = metrics::check(&raw.metrics, &raw.gate.on_violation, kinds, collection.window, path)?;
    let gate = gate::check(&raw.gate, &path.key("gate"))?;
    let phases = phases::check(&raw.phases, &metrics, &path.key("phases"))?;
    let ids: Vec<PhaseId> = phases.iter().map(|phase| phase.id.clone()).collect();
    Ok(TargetPolicy {
        title,
        transitions: transitions::check(&raw.transitions, kinds, &collection, &path.key("transitions"))?,
        notifications: notifications::check(
            &raw.notifications,
            kinds,
            &metrics,
            &ids,
            &path.key("notifications"),
        )?,
        paging: paging::check(&raw.paging, &path.key("paging"))?,
        rca: rca::check(&raw.rca, &path.key("rca"))?,
        evidence: evidence::check(&raw.evidence, &path.key("evidence"))?,
        collection,
        metrics,
        gate,
        phases,
    })
}

pub(crate) fn diff(name: &str, old: &TargetPolicy, new: &TargetPolicy, list: &mut Changes) {
    let before = list.len();
    let TargetPolicy {
        title,
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
