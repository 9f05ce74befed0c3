//! Storms: more incidents in a window than people can read one by one are told as one (NO-9).
//!
//! The first ones are told as ever. Each further one shares the page of the one that began the storm, which names them all, and
//! has no text of its own where a summary stands. A storm lasts one window; if it goes on, the next one begins.

use shared_types::rollout::HoldReason;
use shared_types::{IncidentId, TargetName};

use super::effect::{Notice, NoticeKind};
use super::state::OfStorm;
use super::step::Step;
use crate::notifiers::Address;
use crate::policy::{OnStorm, TargetPolicy};

/// More incidents than so many in a window are a storm.
pub const BEYOND: usize = 10;
/// So many targets are named in a summary.
const NAMED: usize = 20;

/// The storm in which an incident opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    /// Whose page they share; none: the one that opens begins it.
    pub begun_by: Option<StormBegun>,
    /// Keys of the summaries that were told of it, see [`Summary`].
    pub told: Vec<String>,
    /// How many incidents opened in the window before this one.
    pub before: usize,
    /// Targets of those, the newest last; some where there are very many.
    pub targets: Vec<TargetName>,
}

/// The incident that began a storm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StormBegun {
    pub incident: IncidentId,
    pub page_key: String,
}

/// What a storm's summary says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StormFacts {
    /// In the window, up to the newest.
    pub incidents: usize,
    /// The newest last; not all where there are very many.
    pub targets: Vec<TargetName>,
    /// Required rollbacks wait for a person.
    pub held: bool,
}

/// What is told in place of a notice.
pub(crate) enum Summary {
    /// The notice itself: it is of no storm, or each has to be told.
    Itself,
    /// The storm, for the first time in this place.
    Storm(Notice),
    /// Nothing: the place has its summary.
    Told,
}

/// What is kept of it with an incident, and the key of the page that it shares; none where it begins the storm.
pub(super) fn join(storm: &Storm, incident: &IncidentId) -> (OfStorm, Option<String>) {
    let begun_by = storm.begun_by.as_ref().map_or(incident, |it| &it.incident).clone();
    let key = storm.begun_by.as_ref().map(|it| it.page_key.clone());
    (OfStorm { begun_by, told: Vec::new() }, key)
}

/// What is told at an address of an incident that opens, or was told of, in a storm. A rollback that failed, or waits for anything
/// else than the storm, is always told by itself: somebody has to act on that one.
pub(crate) fn in_place_of(
    step: &mut Step,
    notice: &Notice,
    address: &Address,
    policy: &TargetPolicy,
) -> Summary {
    let waits_for_storm = step.target.waiting().is_some_and(|it| it.why == HoldReason::Storm);
    let Some(incident) = step.incident.as_mut().filter(|it| notice.incident.as_ref() == Some(&it.id)) else {
        return Summary::Itself;
    };
    let Some(of_storm) = &mut incident.storm else { return Summary::Itself };
    match &notice.kind {
        // Its page is raised all the same, and the one that began the storm says so for all.
        NoticeKind::Escalation if of_storm.begun_by != incident.id => return Summary::Told,
        NoticeKind::RollbackWaiting if waits_for_storm => {}
        NoticeKind::Incident
        | NoticeKind::StillHeld(_)
        | NoticeKind::Unproven { .. }
        | NoticeKind::Drifted { .. } => {}
        _ => return Summary::Itself,
    }
    let Some(storm) = &step.storm else { return Summary::Itself };
    let held = policy.transitions.storm == OnStorm::Hold;
    let key = format!("{address:?}{}", if held { ", held" } else { "" });
    if storm.told.contains(&key) || of_storm.told.contains(&key) {
        return Summary::Told;
    }
    of_storm.told.push(key);
    let facts = facts(storm, &incident.target, policy);
    Summary::Storm(Notice { kind: NoticeKind::Storm(facts), decision: None, ..notice.clone() })
}

/// What is paged in place of a notice: the incident that begins a storm names those before it. Each further one names itself.
pub(crate) fn page_of(step: &Step, notice: &Notice, policy: &TargetPolicy) -> Option<Notice> {
    let storm = step.storm.as_ref().filter(|it| it.begun_by.is_none())?;
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
