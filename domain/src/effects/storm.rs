//! What is told of a storm in place of each of its incidents (NO-9).

use shared_types::TargetName;
use shared_types::rollout::HoldReason;

use crate::notifiers::Address;
use crate::policy::{OnStorm, TargetPolicy};
use crate::rollout::storm::{Storm, StormFacts};
use crate::rollout::{Notice, NoticeKind, Step};

/// So many targets are named in a summary.
const NAMED: usize = 20;

/// What is told in place of a notice.
pub(super) enum Summary {
    /// The notice itself: it is of no storm, or each has to be told.
    Itself,
    /// The storm, for the first time in this place.
    Storm(Box<Notice>),
    /// Nothing: the place has its summary.
    Told,
}

/// The storm that an incident opens in, where what is said of it is said of the storm. A rollback that failed, or waits for anything
/// else than the storm, is always told by itself: somebody has to act on that one.
fn told_as_one<'s>(step: &'s Step, kind: &NoticeKind) -> Option<&'s Storm> {
    let is_one = match kind {
        NoticeKind::RollbackWaiting => step.target.waiting().is_some_and(|it| it.why == HoldReason::Storm),
        NoticeKind::Incident
        | NoticeKind::StillHeld(_)
        | NoticeKind::Unproven { .. }
        | NoticeKind::Drifted { .. } => true,
        _ => false,
    };
    step.storm.as_ref().filter(|_| is_one)
}

/// What is told at an address in place of a notice of an incident of a storm.
pub(super) fn in_place_of(
    step: &mut Step,
    notice: &Notice,
    address: &Address,
    policy: &TargetPolicy,
) -> Summary {
    let storm = told_as_one(step, &notice.kind).cloned();
    let Some(incident) = step.incident.as_mut().filter(|it| notice.incident.as_ref() == Some(&it.id)) else {
        return Summary::Itself;
    };
    let Some(of_storm) = &mut incident.storm else { return Summary::Itself };
    // Its page is raised all the same, and the one that began the storm says so for all.
    if notice.kind == NoticeKind::Escalation && of_storm.begun_by != incident.id {
        return Summary::Told;
    }
    let Some(storm) = storm else { return Summary::Itself };
    let facts = facts(&storm, &incident.target, policy);
    let key = format!("{address:?}{}", if facts.held { ", held" } else { "" });
    if storm.told.contains(&key) || of_storm.told.contains(&key) {
        return Summary::Told;
    }
    of_storm.told.push(key);
    Summary::Storm(Box::new(Notice { kind: NoticeKind::Storm(facts), decision: None, ..notice.clone() }))
}

/// What is paged in place of a notice: the incident that begins a storm names those before it. Each further one names itself.
pub(super) fn page_of(step: &Step, notice: &Notice, policy: &TargetPolicy) -> Option<Notice> {
    let storm = told_as_one(step, &notice.kind).filter(|it| it.begun_by.is_none())?;
    let incident = step.incident.as_ref()?;
    let kind = NoticeKind::Storm(facts(storm, &incident.target, policy));
    Some(Notice { kind, ..notice.clone() })
}

fn facts(storm: &Storm, own: &TargetName, policy: &TargetPolicy) -> StormFacts {
    let mut targets: Vec<TargetName> = Vec::new();
    for target in storm.targets.iter().chain([own]) {
        if !targets.contains(target) {
            targets.push(target.clone());
        }
    }
    let surplus = targets.len().saturating_sub(NAMED);
    targets.drain(..surplus);
    StormFacts { incidents: storm.before + 1, targets, held: policy.transitions.storm == OnStorm::Hold }
}
