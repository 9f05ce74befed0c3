//! Item 6: from each decision that asks for a rollback to the finished command, by the incident log (DE-5).

use shared_types::incident::TimelineEntry;
use shared_types::rollout::TransitionState;
use shared_types::story::{Hop, HopKind};
use shared_types::{Decision, Timestamp};
use uuid::Uuid;

use super::facts::{Facts, Incident};
use super::{Finding, Item};

/// How far one decision was followed.
#[derive(Debug, PartialEq)]
enum Trace {
    Finished,
    /// Of a stay that was over when it was made: kept, and nothing follows (PH-8).
    Stale,
    Lost(String),
}

pub(super) fn traced(facts: &Facts) -> Finding {
    let required: Vec<&Decision> = facts.decisions.iter().filter(|it| it.rollback_required).collect();
    let (mut problems, mut finished, mut stale) = (Vec::new(), 0_u32, 0_u32);
    for decision in &required {
        match follow(facts, decision) {
            Trace::Finished => finished += 1,
            Trace::Stale => stale += 1,
            Trace::Lost(where_) => {
                problems.push(format!("{} {}: {where_}", decision.window, decision.decision_id));
            }
        }
    }
    let mut figure = format!("{} rollback_required, {finished} traced to a finished command", required.len());
    if stale > 0 {
        figure.push_str(&format!(", {stale} of a stay that was over"));
    }
    Finding::of(Item::Rollbacks, figure, problems)
}

fn follow(facts: &Facts, decision: &Decision) -> Trace {
    let incident = facts.incidents.iter().find(|it| holds(it, decision));
    let Some(incident) = incident else {
        if is_stale(facts, decision) {
            return Trace::Stale;
        }
        return Trace::Lost("no incident knows of it: it has not reached the reporter".to_owned());
    };
    let heard = incident.timeline.iter().filter(|hop| about(hop, decision));
    let heard: Vec<&TimelineEntry> = heard.collect();
    if heard.iter().any(|hop| hop.is(HopKind::DecisionStale)) {
        return Trace::Stale;
    }
    let requests: Vec<&TimelineEntry> = of_kind(incident, HopKind::RollbackRequested).collect();
    let Some(last) = requests.last() else {
        return Trace::Lost(format!("{}: no rollback was requested", incident.id));
    };
    let unfinished = requests.iter().find(|hop| !is_finished(incident, hop.links().transition));
    match unfinished {
        None => Trace::Finished,
        Some(hop) => Trace::Lost(format!(
            "{}: the command requested at {} {}",
            incident.id,
            hop.at,
            stands(incident, hop.links().transition, hop.at == last.at)
        )),
    }
}

/// Whether the incident's log or list names the decision.
fn holds(incident: &Incident, decision: &Decision) -> bool {
    incident.decisions.contains(&decision.decision_id)
        || incident.timeline.iter().any(|hop| about(hop, decision))
}

fn about(hop: &TimelineEntry, decision: &Decision) -> bool {
    hop.links().decision == Some(decision.decision_id)
}

fn of_kind(incident: &Incident, kind: HopKind) -> impl Iterator<Item = &TimelineEntry> {
    incident.timeline.iter().filter(move |hop| hop.is(kind))
}

/// Finished, or replaced by one that a person asked for.
fn is_finished(incident: &Incident, transition: Option<Uuid>) -> bool {
    let hop = of_kind(incident, HopKind::CommandFinished).any(|hop| hop.links().transition == transition);
    // An earlier one that failed and was then taken over is done by the later one.
    let newest = of_kind(incident, HopKind::RollbackRequested).last().and_then(|hop| hop.links().transition);
    let succeeded = incident.rollback.as_ref().is_some_and(|it| it.state == TransitionState::Succeeded);
    hop || (newest != transition && succeeded)
}

fn stands(incident: &Incident, transition: Option<Uuid>, newest: bool) -> String {
    let of_it = |kind| of_kind(incident, kind).filter(|hop| hop.links().transition == transition).last();
    if let (Some(waiting), None) = (of_it(HopKind::RollbackWaiting), of_it(HopKind::RollbackReleased)) {
        return format!("waits for a person: {}", waiting.detail);
    }
    match incident.rollback.as_ref().filter(|_| newest).map(|it| it.state) {
        Some(TransitionState::Waiting) => "waits for a person".to_owned(),
        Some(TransitionState::Requested) => "waits for its start".to_owned(),
        Some(TransitionState::Running) => "is running".to_owned(),
        Some(TransitionState::Failed) => {
            let said = of_kind(incident, HopKind::RollbackFailed).last().map(|hop| hop.detail.as_str());
            format!("failed: {}", said.unwrap_or("a person has to act"))
        }
        Some(TransitionState::Succeeded) | None => "has no end in the log".to_owned(),
    }
}

/// Whether the stay it speaks of was over when it was made: a later epoch had begun by then.
fn is_stale(facts: &Facts, decision: &Decision) -> bool {
    let by = decision.decided_at;
    let later = |epoch: u64, began: Timestamp| epoch > decision.epoch && began <= by;
    decision.gate.is_none()
        || facts.rollout.since.is_some_and(|since| later(facts.rollout.epoch, since))
        || facts.batches.iter().any(|it| later(it.batch.epoch, it.batch.window.start))
        || facts
            .incidents
            .iter()
            .flat_map(|it| &it.timeline)
            .any(|entry| matches!(entry.hop(), Hop::PhaseChanged { epoch, .. } if later(epoch, entry.at)))
}
