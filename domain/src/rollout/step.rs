//! What [`apply`](super::apply) is given besides the event, and what it returns.

use crate::policy::TargetPolicy;
use serde_json::json;
use shared_types::incident::TimelineEntry;
use shared_types::problem::Blocker;
use shared_types::{IncidentId, Timestamp};
use uuid::Uuid;

use super::effect::Effect;
use super::incident::Incident;
use super::state::{Aggregate, TargetState};

/// The time, the policy, and the ids to use should the step need any.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub policy: &'a TargetPolicy,
    /// The version of the policy file that it is from.
    pub policy_version: &'a str,
    /// The id of the incident, should one open.
    pub new_incident: IncidentId,
    /// The id of the transition, should one be requested.
    pub new_transition: Uuid,
}

/// What a move up is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub policy: &'a TargetPolicy,
    /// The version of the policy file that it is from.
    pub policy_version: &'a str,
    pub now: Timestamp,
}

impl<'a> Context<'a> {
    /// The same, without the ids.
    #[must_use]
    pub fn terms(&self) -> Terms<'a> {
        Terms { policy: self.policy, policy_version: self.policy_version, now: self.now }
    }
}

/// The outcome of an event: everything in it is committed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub target: TargetState,
    /// The incident the step was about, or the one it opened.
    pub incident: Option<Incident>,
    /// Whether `incident` is new.
    pub opened: bool,
    /// Whether a decision was of another epoch or phase (PH-8).
    pub stale: bool,
    /// Whether a person asked for what stood already, so that nothing changed.
    pub repeated: bool,
    pub effects: Vec<Effect>,
    /// Hops of `incident`'s log.
    pub timeline: Vec<TimelineEntry>,
}

impl Step {
    /// Starts from where things stand.
    #[must_use]
    pub fn from(before: &Aggregate) -> Self {
        Self {
            target: before.target.clone(),
            incident: before.incident.clone(),
            opened: false,
            stale: false,
            repeated: false,
            effects: Vec::new(),
            timeline: Vec::new(),
        }
    }

    /// The incident the step is about, if it is the one the target has open; a review may be about an older one.
    pub fn open_incident(&mut self) -> Option<&mut Incident> {
        let open = self.target.incident.as_ref();
        self.incident.as_mut().filter(|it| Some(&it.id) == open)
    }

    /// Adds a hop to the incident's log; without an incident there is no log.
    pub fn hop(&mut self, at: Timestamp, kind: &str, detail: impl Into<String>) {
        self.hop_with(at, kind, detail, serde_json::Value::Null);
    }

    /// Adds a hop with links.
    pub fn hop_with(
        &mut self,
        at: Timestamp,
        kind: &str,
        detail: impl Into<String>,
        data: serde_json::Value,
    ) {
        if self.incident.is_some() {
            self.timeline.push(TimelineEntry { at, kind: kind.to_owned(), detail: detail.into(), data });
        }
    }

    /// Adds a hop that links a transition.
    pub fn transition_hop(&mut self, at: Timestamp, kind: &str, detail: impl Into<String>, id: Uuid) {
        self.hop_with(at, kind, detail, json!({ "transition": id }));
    }

    /// Adds an effect.
    pub fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

/// Why an event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
    /// Everything that is in the way, by name (PH-5).
    pub blockers: Vec<Blocker>,
}

/// Kinds of [`Rejection`]; also the problem's stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A phase was named that is not the current one (RB-7).
    WrongPhase,
    /// There is no phase above or below.
    NoSuchMove,
    /// Conditions of the move are not met; the blockers say which.
    Blocked,
    /// The transition is not the one under way any more.
    Superseded,
    /// What was asked for was asked of an earlier epoch or policy.
    Outdated,
    /// The approval that was to be taken back is not there.
    NoApproval,
    /// The event needs an incident.
    NoIncident,
    /// The incident is in a state in which this cannot happen.
    IncidentState,
    /// The checklist has no such item.
    NoSuchItem,
    /// A text it would send cannot be rendered (NO-2).
    Unrenderable,
}

impl Reason {
    /// Stable code for problem types.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongPhase => "wrong_phase",
            Self::NoSuchMove => "no_such_move",
            Self::Blocked => "blocked",
            Self::Superseded => "superseded",
            Self::Outdated => "outdated",
            Self::NoApproval => "no_approval",
            Self::NoIncident => "no_incident",
            Self::IncidentState => "incident_state",
            Self::NoSuchItem => "no_such_item",
            Self::Unrenderable => "unrenderable",
        }
    }
}

impl Rejection {
    /// Without blockers.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), blockers: Vec::new() }
    }

    /// With everything that is in the way.
    #[must_use]
    pub fn blocked(detail: impl Into<String>, blockers: Vec<Blocker>) -> Self {
        Self { reason: Reason::Blocked, detail: detail.into(), blockers }
    }
}

/// One blocker.
#[must_use]
pub fn blocker(code: &str, detail: impl Into<String>) -> Blocker {
    Blocker { code: code.to_owned(), detail: detail.into() }
}
