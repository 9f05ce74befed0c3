//! Governance reviews: when they open, and what an approval forces (GO-1 to GO-3).

use std::time::Duration;

use domain::rollout::Incident;
use domain::rollout::state::Ruling;
use shared_types::Timestamp;
use shared_types::incident::ReviewState;
use shared_types::story::{Hop, HopKind, LoggedHop};

use super::audit::first;
use super::{Findings, failures};
use crate::facts::Facts;
use crate::outside::Moved;

/// How late what is due may be while replicas are killed and stand still.
const SLACK: Duration = Duration::from_secs(900);

/// A review opens once, when the cause was due, if and only if nobody had submitted one by then.
pub(super) fn open_once(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    let slack = SLACK + facts.spec.spread();
    for (incident, timeline) in facts.incidents.iter().filter(|(incident, _)| !incident.notice) {
        let id = &incident.id;
        let since_opened = incident.opened_at.plus(facts.policy.rca.due);
        // What was a notice at first asks for its cause later.
        let due = incident.rca.due_at;
        let later = facts.policy.gate.judge.weighs() && due.plus(facts.spec.spread()) >= since_opened;
        if due != since_opened && !later {
            found.push(format!("the cause of {id} is due at {due}, not at {since_opened}"));
        }
        let hop = |kind: HopKind| timeline.iter().find(|it| it.hop.is(kind));
        let place = |kind: HopKind| first(facts, id.as_str(), kind);
        let times = timeline.iter().filter(|it| it.hop.is(HopKind::ReviewOpened)).count();
        let told = facts.notifications.iter();
        let told = told.filter(|it| it.kind == "review_opened" && it.incident.as_ref() == Some(id)).count();
        if times > 1 || told != times || (times > 0) != incident.review.is_some() {
            found.push(format!("the review of {id} was opened {times} times and told {told} times"));
        }
        match (hop(HopKind::ReviewOpened), hop(HopKind::RcaSubmitted)) {
            (Some(opened), _) if opened.at < due => {
                found.push(format!("the review of {id} was opened before {due}"));
            }
            (Some(_), Some(_)) if place(HopKind::RcaSubmitted) < place(HopKind::ReviewOpened) => {
                found.push(format!("the review of {id} was opened after its RCA had come"));
            }
            (None, submitted) => {
                let by = due.plus(slack);
                if submitted.is_none_or(|submitted| submitted.at > by) && by < facts.end {
                    found.push(format!("the RCA of {id} was due at {due}, and no review was opened"));
                }
            }
            _ => {}
        }
    }
    found
}

/// A review is decided once; its approval takes the rollout one phase back, once, whatever else holds.
pub(super) fn approvals_force_one_rollback(facts: &Facts) -> Findings {
    let mut found = Vec::new();
    for (incident, timeline) in &facts.incidents {
        let id = &incident.id;
        let times = timeline.iter().filter(|it| it.hop.is(HopKind::ReviewDecided)).count();
        if times > 1 {
            found.push(format!("the review of {id} was decided {times} times"));
        }
        let Some(review) = &incident.review else { continue };
        match (review.state, &review.ruling) {
            (ReviewState::Approved, Some(ruling)) => {
                found.extend(is_forced(facts, incident, timeline, ruling));
            }
            (ReviewState::Declined, Some(Ruling { rollback: None, .. })) => {}
            (ReviewState::Open | ReviewState::Void, None) => {}
            (state, _) => found.push(format!("the review of {id} is {state:?} with another's ruling")),
        }
    }
    found
}

fn is_forced(facts: &Facts, incident: &Incident, timeline: &[LoggedHop], ruling: &Ruling) -> Option<String> {
    let Some(forced) = &ruling.rollback else {
        return Some(format!("the approved review of {} forced nothing", incident.id));
    };
    let transition = forced.transition.to_string();
    let asked = facts.effects.iter();
    let asked = asked.filter(|(_, it)| it.kind == "RunTransition" && it.payload["transition"] == *transition);
    let epochs: Vec<Option<u64>> = asked.map(|(_, it)| it.payload["epoch"].as_u64()).collect();
    let asked = epochs.len();
    if asked > 1 {
        return Some(format!(
            "the rollback that the review of {} forced was asked {asked} times",
            incident.id
        ));
    }
    let aborts = failures::aborts(facts);
    // Who takes the rollout back at once overtakes it.
    let overtakes = |it: &Moved| aborts.contains(it.transition.as_str()) && epochs.contains(&Some(it.epoch));
    let moved = facts.books.moved.iter().any(|it| it.transition == transition || overtakes(it));
    let failed = timeline.iter().any(
        |it| matches!(it.hop, Hop::RollbackFailed { transition, .. } if transition == forced.transition),
    );
    let recent = |at: Timestamp| at.plus(SLACK + facts.spec.spread()) > facts.end;
    (!moved && !failed && !recent(ruling.at))
        .then(|| format!("the rollback that the review of {} forced never was", incident.id))
}
