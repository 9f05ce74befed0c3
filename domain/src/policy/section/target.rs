//! A target: its title, its sections in the file's order, and the way from phase to phase.

use std::sync::Arc;
use std::time::Duration;

use shared_types::PhaseId;

use super::collection::{self, Collection};
use super::evidence::{self, EvidenceItem};
use super::gate::{self, GatePolicy};
use super::metrics::{self, MetricPolicy};
use super::notifications::{self, Notifications};
use super::paging::{self, Paging};
use super::phases::{self, Metrics, PhasePolicy, RawPhase};
use super::raw_target::RawTarget;
use super::rca::{self, RcaPolicy};
use super::transitions::{self, ChosenExecutor, Transitions};
use crate::executors::users::Asked;
use crate::policy::check::{Path, WrongPlaces};
use crate::policy::common::{Common, Key, in_key, key};
use crate::policy::diff::changes::{Changes, Effect};
use crate::policy::forms::text;
use crate::policy::lint::Rule;
use crate::policy::shared::Shared;

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

/// Everything about one target; what it has from its template is that of all targets that have it from there.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetPolicy {
    pub title: String,
    /// Rules of the lint that do not hold for it.
    pub allow: Vec<Rule>,
    pub collection: Shared<Collection>,
    /// In the file's order.
    pub metrics: Shared<Vec<MetricPolicy>>,
    pub gate: Shared<GatePolicy>,
    /// In order, lowest first; at least one.
    pub phases: Shared<Vec<PhasePolicy>>,
    pub transitions: Shared<Transitions>,
    pub notifications: Shared<Notifications>,
    pub paging: Shared<Paging>,
    pub rca: Shared<RcaPolicy>,
    pub evidence: Shared<Vec<EvidenceItem>>,
}

/// A target as far as it is in order, beside what stands in the file.
pub(crate) struct Parts<'a, 'k> {
    pub(in crate::policy) raw: &'a RawTarget,
    pub(in crate::policy) path: Path,
    /// What its metrics and phases, and what is found in them, follow from.
    pub(in crate::policy) judged: Option<Key>,
    title: Option<String>,
    pub(in crate::policy) collection: Option<Shared<Collection>>,
    pub(in crate::policy) metrics: Shared<Vec<MetricPolicy>>,
    pub(in crate::policy) gate: Option<Shared<GatePolicy>>,
    pub(in crate::policy) phases: Shared<Vec<PhasePolicy>>,
    executor: Option<Arc<ChosenExecutor<'k>>>,
    transitions: Option<Shared<Transitions>>,
    notifications: Option<Shared<Notifications>>,
    paging: Option<Shared<Paging>>,
    rca: Option<Shared<RcaPolicy>>,
    evidence: Shared<Vec<EvidenceItem>>,
}

/// What is wrong is noted, and the rest looked at all the same.
pub(crate) fn check<'a, 'k>(
    raw: &'a RawTarget,
    common: &mut Common<'k>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> Parts<'a, 'k> {
    let kinds = common.kinds;
    let title = wrong.note(text(&raw.title, &path.key("title")));
    let collection = common.collections.or_check(key([raw.collection.part()]), wrong, |wrong| {
        collection::check(&raw.collection, kinds, &path.key("collection"), wrong).map(Shared::from)
    });
    // Nothing is shorter than a window that is not known.
    let window = collection.as_ref().map_or(Duration::ZERO, |it| it.window);
    let grace = collection.as_ref().map(|it| it.grace);
    let judged = key([
        raw.metrics.part(),
        raw.gate.part(),
        raw.phases.part(),
        in_key(collection.as_ref().map(|it| it.window)),
        in_key(grace),
    ]);
    let metrics = common.metrics.or_check(judged, wrong, |wrong| {
        let actions = &raw.gate.on_violation;
        Some(metrics::check(&raw.metrics, actions, kinds, window, path, wrong).into())
    });
    let metrics = metrics.unwrap_or_default();
    if let Some(collection) = &collection
        && metrics.len() == raw.metrics.value.0.len()
    {
        common.named.or_check(key([raw.collection.part(), raw.metrics.part()]), wrong, |wrong| {
            collection::check_events(&raw.collection, collection, &metrics, &path.key("collection"), wrong);
            Some(())
        });
    }
    let phases = common.phases.or_check(judged, wrong, |wrong| {
        let known = Metrics { named: &raw.metrics.value, in_order: &metrics };
        Some(phases::check(&raw.phases, known, &path.key("phases"), wrong).into())
    });
    let (executor, transitions) = moved(raw, common, grace, path, wrong);
    let told = key([raw.notifications.part(), raw.metrics.part(), raw.phases.part()]);
    let notifications = common.notifications.or_check(told, wrong, |wrong| {
        let (at, ids) = (path.key("notifications"), phases::ids(&raw.phases));
        let known = &raw.metrics.value;
        notifications::check(&raw.notifications, kinds, known, ids.as_deref(), &at, wrong).map(Shared::from)
    });
    let gate = common.gates.or_check(key([raw.gate.part()]), wrong, |wrong| {
        gate::check(&raw.gate, &path.key("gate"), wrong).map(Shared::from)
    });
    let paging = common.pagings.or_check(key([raw.paging.part()]), wrong, |wrong| {
        paging::check(&raw.paging, &path.key("paging"), wrong).map(Shared::from)
    });
    let rca = common.rcas.or_check(key([raw.rca.part()]), wrong, |wrong| {
        rca::check(&raw.rca, &path.key("rca"), wrong).map(Shared::from)
    });
    let evidence = common.evidence.or_check(key([raw.evidence.part()]), wrong, |wrong| {
        Some(evidence::check(&raw.evidence, &path.key("evidence"), wrong).into())
    });
    Parts {
        raw,
        path: path.clone(),
        judged,
        title,
        collection,
        metrics,
        gate,
        phases: phases.unwrap_or_default(),
        executor,
        transitions,
        notifications,
        paging,
        rca,
        evidence: evidence.unwrap_or_default(),
    }
}

/// The kind that moves it, and how.
fn moved<'k>(
    raw: &RawTarget,
    common: &mut Common<'k>,
    grace: Option<Duration>,
    path: &Path,
    wrong: &mut WrongPlaces,
) -> (Option<Arc<ChosenExecutor<'k>>>, Option<Shared<Transitions>>) {
    let kinds = common.kinds;
    let executor = common.executors.or_check(key([raw.transitions.part()]), wrong, |wrong| {
        wrong.note(transitions::executor(&raw.transitions, kinds, &path.key("transitions"))).map(Arc::new)
    });
    let moves = key([raw.transitions.part(), in_key(grace)]);
    let at = path.key("transitions");
    let transitions = common.transitions.or_check(moves, wrong, |wrong| {
        transitions::check(&raw.transitions, executor.as_deref(), grace, &at, wrong).map(Shared::from)
    });
    if let Some(transitions) = &transitions {
        common.named.or_check(key([raw.transitions.part(), raw.phases.part()]), wrong, |wrong| {
            phases::check_shares(&raw.phases, transitions, path, wrong);
            Some(())
        });
    }
    (executor, transitions)
}

impl<'a, 'k> Parts<'a, 'k> {
    /// The kind that moves it, if its section is in order.
    pub(in crate::policy) fn executor(&self) -> Option<&ChosenExecutor<'k>> {
        self.transitions.as_ref().and(self.executor.as_deref())
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

    /// What users are to get in a phase, where that is asked.
    #[must_use]
    pub fn users_asked(&self, id: &PhaseId) -> Option<Asked> {
        let shares: Vec<f64> = self.phases.iter().map(|phase| phase.audience_percent).collect();
        Some(self.transitions.users.as_ref()?.asked(self.audience_percent(id), &shares))
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
