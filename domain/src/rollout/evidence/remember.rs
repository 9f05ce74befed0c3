//! What the incident learns from the store, and what the target remembers of its incidents' evidence (PH-5).

use crate::policy::TargetPolicy;
use shared_types::Decision;
use shared_types::decision::Cause;

use super::missing;
use crate::rollout::blocker::Blocker;
use crate::rollout::effect::Effect;
use crate::rollout::state::evidence::{Facts, Signature};
use crate::rollout::state::{Incident, OpenEvidence, OpenTask, TargetState};
use crate::rollout::step::Step;

/// Brings what the target remembers of the step's incident up to date: open items (PH-5), open tasks.
pub(in crate::rollout) fn remember(step: &mut Step, policy: &TargetPolicy) {
    let Some(incident) = &step.incident else { return };
    let missing = missing(incident, policy);
    let open = &mut step.target.evidence_open;
    let known = open.iter().position(|it| it.incident == incident.id);
    match (known, missing.is_empty()) {
        (Some(at), true) => {
            open.remove(at);
        }
        (Some(at), false) => open[at].missing = missing,
        (None, false) if step.to_explain => {
            open.push(OpenEvidence { incident: incident.id.clone(), missing });
        }
        (None, _) => {}
    }
    let before = step.target.evidence_tasks.clone();
    let tasks = open_tasks(incident, policy);
    step.target.evidence_tasks.retain(|it| it.incident != incident.id);
    step.target.evidence_tasks.extend(tasks);
    if step.target.evidence_tasks != before {
        step.then(Effect::WriteChecklist);
    }
}

fn open_tasks(incident: &Incident, policy: &TargetPolicy) -> Vec<OpenTask> {
    let task = |(item, signature): (&String, &Signature)| {
        let task = signature.task.as_ref().filter(|it| it.done.is_none())?;
        let owner = policy.evidence.iter().find(|it| it.item == *item).map(|it| it.owner.clone());
        Some(OpenTask {
            incident: incident.id.clone(),
            item: item.clone(),
            owner: owner.unwrap_or_default(),
            text: task.text.clone(),
            by: signature.by.clone(),
            at: signature.at,
        })
    };
    incident.evidence.signatures.iter().filter_map(task).collect()
}

/// PH-5, EV-3: what every incident of the rollout still lacks, one line an incident.
#[must_use]
pub fn blockers(target: &TargetState) -> Vec<Blocker> {
    let line = |it: &OpenEvidence| Blocker::EvidenceIncomplete {
        incident: Some(it.incident.clone()),
        missing: it.missing.clone(),
    };
    target.evidence_open.iter().map(line).collect()
}

/// The store knows something new.
pub(in crate::rollout) fn learn(mut step: Step, mut incident: Incident, news: &Facts) -> Step {
    let exhausted = std::mem::take(&mut incident.evidence.facts.exhausted);
    incident.evidence.facts = Facts { exhausted, ..news.clone() };
    step.incident = Some(incident);
    step
}

/// EV-1: a decision that says the collector gave up belongs to the incident it is about.
pub(in crate::rollout) fn note_exhausted(step: &mut Step, decision: &Decision) {
    const KEPT: usize = 100;
    if decision.cause != Cause::RetryExhausted || step.stale || step.target.incident.is_none() {
        return;
    }
    let Some(incident) = step.incident.as_mut() else { return };
    let (window, known) = (decision.window.to_string(), &mut incident.evidence.facts.exhausted);
    if !known.contains(&window) && known.len() < KEPT {
        known.push(window);
    }
}
