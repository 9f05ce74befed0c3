//! An incident: what opened it, how it stands, and what belongs to it.

use serde::{Deserialize, Serialize};
use shared_types::incident::IncidentState;
use shared_types::{Decision, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::evidence::Evidence;
use super::rca::Rca;
use super::review::Review;
use super::stored::{NOTICE, TRANSITION_ONCE};
use super::target::TargetState;
use super::transition::Transition;
use crate::executors::stored::OF_INCIDENT;
use crate::rollout::effect::{Notice, NoticeKind};
use crate::rollout::watch::{Coverage, Watch};
use crate::stored::{Document, Step};

/// The state of the incident machine. Stored as JSON, one row an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    #[serde(rename = "stand")]
    pub status: IncidentStatus,
    /// A person was paged, nothing moved, and it is not the feature's doing: no cause is asked for (JU-17).
    pub notice: bool,
    /// Its key at the pager; none: a release opened it whose keys had no time in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_key: Option<String>,
    /// The storm it opened in (NO-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<OfStorm>,
    /// Recovered because nothing more was violated, which proves nothing (JU-11).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// The worst violated metric of the opening decision, and its window.
    pub metric: String,
    pub window: Window,
    /// What its texts are made from: the opening decision, or that of a further rollback.
    pub subject: Box<Decision>,
    pub priority: String,
    pub opened_at: Timestamp,
    pub acknowledged: Option<Acknowledgement>,
    /// Until when an acknowledgement is in time.
    pub acknowledge_by: Timestamp,
    /// When it escalates unless acknowledged; none once that is settled.
    pub escalate_at: Option<Timestamp>,
    pub escalated_at: Option<Timestamp>,
    pub recovered_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub rollback: Option<NewestRollback>,
    /// How many rollbacks it took so far.
    pub rollbacks: u32,
    pub rca: Rca,
    pub review: Option<Review>,
    /// The runbook text rendered for its newest rollback (RB-8).
    pub runbook: Option<String>,
    pub evidence: Evidence,
}

impl Document for Incident {
    const KIND: &'static str = "incident";
    const STEPS: &'static [Step] = &[OF_INCIDENT, TRANSITION_ONCE, NOTICE];
}

/// The storm that an incident opened in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfStorm {
    /// The incident whose page all of them share.
    pub begun_by: IncidentId,
    /// Keys of the storm's summaries that this one told.
    pub told: Vec<String>,
}

/// The newest rollback of an incident. A transition is kept once while it can still change: by its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one an incident, and never many in memory at once")]
pub enum NewestRollback {
    /// It waits, is under way or has failed.
    WithTarget(RollbackAsked),
    /// As it ended; nothing of it changes any more.
    Ended(Transition),
}

/// Of a rollback that its target keeps: which one it is, and what texts say of it whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollbackAsked {
    pub transition: Uuid,
    pub from: PhaseId,
    pub to: PhaseId,
    /// What a person would type.
    pub human: String,
    /// `phasegate` or a person.
    pub initiator: String,
    /// The violated metric, or the person's words.
    pub reason: String,
    pub requested_at: Timestamp,
}

impl NewestRollback {
    /// One that has not ended.
    #[must_use]
    pub fn asked(it: &Transition) -> Self {
        Self::WithTarget(RollbackAsked {
            transition: it.id,
            from: it.from.clone(),
            to: it.to.clone(),
            human: it.human.clone(),
            initiator: it.initiator.clone(),
            reason: it.reason.clone(),
            requested_at: it.requested_at,
        })
    }

    /// The phase it leaves.
    #[must_use]
    pub fn from(&self) -> &PhaseId {
        match self {
            Self::WithTarget(it) => &it.from,
            Self::Ended(it) => &it.from,
        }
    }

    /// What a person would type.
    #[must_use]
    pub fn human(&self) -> &str {
        match self {
            Self::WithTarget(it) => &it.human,
            Self::Ended(it) => &it.human,
        }
    }
}

/// Who took it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub at: Timestamp,
    pub by: String,
}

/// Where the incident stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    Open(Mitigation),
    Recovered,
    /// Recovered, and the root cause analysis is confirmed.
    Closed,
}

/// What is being done about an open incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mitigation {
    /// A rollback is under way, or waits, or has failed.
    RollingBack,
    /// A rollback has succeeded; its effect is being watched.
    Watching(Watch),
    /// People were paged; nothing is rolled back by itself.
    Paged(Coverage),
}

/// What rules, store and texts ask of a status: none of them lists the statuses there are.
impl IncidentStatus {
    /// As the API names it.
    #[must_use]
    pub fn state(&self) -> IncidentState {
        match self {
            Self::Open(_) => IncidentState::Open,
            Self::Recovered => IncidentState::Recovered,
            Self::Closed => IncidentState::Closed,
        }
    }

    /// What is being done about it; none once there is nothing left to mitigate.
    #[must_use]
    pub fn mitigation(&self) -> Option<&Mitigation> {
        match self {
            Self::Open(mitigation) => Some(mitigation),
            Self::Recovered | Self::Closed => None,
        }
    }

    /// As [`Self::mitigation`], to go on with it.
    #[must_use]
    pub fn mitigation_mut(&mut self) -> Option<&mut Mitigation> {
        match self {
            Self::Open(mitigation) => Some(mitigation),
            Self::Recovered | Self::Closed => None,
        }
    }

    /// The watch over a rollback's effect, while there is one.
    #[must_use]
    pub fn watch(&self) -> Option<&Watch> {
        match self.mitigation()? {
            Mitigation::Watching(watch) => Some(watch),
            Mitigation::RollingBack | Mitigation::Paged(_) => None,
        }
    }

    /// Whether nothing can happen to it any more, but to its checklist.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().is_closed()
    }
}

impl Incident {
    /// As the API names it.
    #[must_use]
    pub fn state(&self) -> IncidentState {
        self.status.state()
    }

    /// Something else is being done about it from now on.
    pub fn mitigate(&mut self, mitigation: Mitigation) {
        self.status = IncidentStatus::Open(mitigation);
    }

    /// This rollback answers it from now on.
    pub fn roll_back(&mut self, by: &Transition) {
        self.rollback = Some(NewestRollback::asked(by));
        self.mitigate(Mitigation::RollingBack);
    }

    /// The same for every page of the incident (ES-1), and of no other one: a store that was restored may give out an id again,
    /// and the page of the lost incident may still be open (OP-3).
    #[must_use]
    pub fn dedup_key(&self) -> String {
        self.page_key.clone().unwrap_or_else(|| Self::plain_key(&self.target, &self.id))
    }

    /// The key of an incident that a release opened which knew no other.
    #[must_use]
    pub fn plain_key(target: &TargetName, id: &IncidentId) -> String {
        format!("phasegate/{target}/{id}")
    }

    /// The key of one that opens.
    #[must_use]
    pub fn new_key(target: &TargetName, id: &IncidentId, opened_at: Timestamp) -> String {
        format!("{}/{}", Self::plain_key(target, id), opened_at.as_millis())
    }

    /// When a tick has something to do, if ever.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.status.is_closed() {
            return None;
        }
        let deadline = self.status.watch().and_then(|watch| watch.deadline);
        let rca = self.rca.next_due(self.review.is_some()).filter(|_| !self.notice);
        self.escalate_at.into_iter().chain(deadline).chain(rca).min()
    }

    /// The newest rollback as it stands. None besides where there is none: it gave way to another before it ran.
    #[must_use]
    pub fn rollback_of<'a>(&'a self, target: &'a TargetState) -> Option<&'a Transition> {
        match self.rollback.as_ref()? {
            NewestRollback::WithTarget(it) => target.transition(it.transition),
            NewestRollback::Ended(it) => Some(it),
        }
    }

    /// What is told of this incident: what happened, the command that answers it, and why that one waits.
    #[must_use]
    pub fn notice(&self, kind: NoticeKind, waiting: Option<String>) -> Notice {
        Notice {
            kind,
            phase: self.rollback.as_ref().map_or(&self.phase, NewestRollback::from).clone(),
            decision: Some(self.subject.clone()),
            incident: Some(self.id.clone()),
            priority: self.priority.clone(),
            command: self.rollback.as_ref().map(|it| it.human().to_owned()),
            waiting,
        }
    }
}
