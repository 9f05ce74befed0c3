//! What [`apply`](super::apply) is given besides the event, and what it returns.

use crate::policy::TargetPolicy;
use shared_types::story::{Hop, LoggedHop};
use shared_types::{Decision, IncidentId, PhaseId, Timestamp, Verdict};
use uuid::Uuid;

use super::blocker::Blocker;
use super::effect::{Effect, Notice, NoticeKind};
use super::refusal::{Refusal, Rejection};
use super::state::{Incident, TargetState};
use super::storm::Storm;

/// A target, and the incident an event is about: the one it names, else the target's open one.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub target: TargetState,
    pub incident: Option<Incident>,
}

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
    /// The storm that an incident belongs to, should one open.
    pub storm: Option<Storm>,
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
    /// The storm it opened in.
    pub storm: Option<Storm>,
    /// Whether its cause is asked for from now on: with its opening, or once a notice has become an incident.
    pub to_explain: bool,
    /// Whether a decision was of another epoch or phase (PH-8).
    pub stale: bool,
    /// Whether a person asked for what stood already, so that nothing changed.
    pub repeated: bool,
    pub effects: Vec<Effect>,
    /// Hops of `incident`'s log.
    pub timeline: Vec<LoggedHop>,
}

impl Step {
    /// Starts from where things stand.
    #[must_use]
    pub fn from(before: &Aggregate) -> Self {
        Self {
            target: before.target.clone(),
            incident: before.incident.clone(),
            opened: false,
            storm: None,
            to_explain: false,
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

    /// Whether the step is about another incident than the one the target has open.
    #[must_use]
    pub fn is_about_older_incident(&self) -> bool {
        self.incident.as_ref().is_some_and(|it| Some(&it.id) != self.target.incident.as_ref())
    }

    /// Whether a decision that was just applied belongs to the target's incident: it violates, or has opened it.
    #[must_use]
    pub fn links(&self, decision: &Decision) -> bool {
        decision.verdict == Verdict::Violation && !self.stale || self.opened
    }

    /// A person means the phase they see.
    pub(super) fn check_phase(&self, named: &PhaseId) -> Result<(), Rejection> {
        let phase = self.target.phase.clone();
        if *named == phase {
            return Ok(());
        }
        let target = self.target.target.clone();
        let blockers = vec![Blocker::WrongPhase { phase: phase.clone() }];
        Err(Rejection::blocked(Refusal::WrongPhase { target, phase, named: named.clone() }, blockers))
    }

    /// Adds a hop to the incident's log; without an incident there is no log.
    pub fn hop(&mut self, at: Timestamp, hop: Hop) {
        if self.incident.is_some() {
            self.timeline.push(LoggedHop { at, hop });
        }
    }

    /// Tells people about the target as it stands, and of its open incident, if it has one.
    pub(super) fn tell(&mut self, kind: NoticeKind) {
        let incident = self.target.incident.clone();
        self.then(Effect::Notify(Notice { incident, ..Notice::of(kind, &self.target.phase) }));
    }

    /// Adds an effect.
    pub fn then(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
