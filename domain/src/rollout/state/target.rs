//! What the reporter remembers of a target between two events. Stored as JSON, one row a target.

use crate::executors::stored;
use crate::stored::{Document, Step};
use serde::{Deserialize, Serialize};
use shared_types::decision::{GateProgress, MetricVerdict, Uncounted, ViolationAction};
use shared_types::rollout::{Approval, Freeze, HoldReason, RolloutState, VoidApproval, WaitingRollback};
use shared_types::{Decision, Directive, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use super::behind::{Behind, LostStays};
use super::evidence::{OpenEvidence, OpenTask};
use super::served::Served;
use super::transition::Transition;

/// How many times of incident texts a target remembers (PH-4).
pub const NOTICES_KEPT: usize = 32;

/// The state of the rollout machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    pub target: TargetName,
    pub phase: PhaseId,
    /// 0 = never started.
    pub epoch: Epoch,
    /// When the epoch began.
    pub since: Option<Timestamp>,
    pub stage: Stage,
    /// The newest transition that has ended.
    pub ended: Option<Transition>,
    /// The newest directive.
    pub directive: Option<Directive>,
    /// The open incident: at most one (DE-4).
    pub incident: Option<IncidentId>,
    /// Who has taken the open incident on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_on: Option<String>,
    /// The newest decision of the current epoch.
    pub latest: Option<Latest>,
    /// Incidents and pages in the current epoch (PH-3).
    pub alerts: u64,
    /// When incident texts went out, oldest first, the last few (PH-4).
    pub incident_notices: Vec<Timestamp>,
    /// Approvals of the next move up, as far as they were last looked at; see `approval`.
    pub approvals: Vec<Approval>,
    /// Those that count no more, oldest first, the last few.
    pub approvals_void: Vec<VoidApproval>,
    /// The epoch and policy version in which approvals were asked for.
    pub asked: Option<(Epoch, String)>,
    /// Who has frozen it, if anybody.
    pub frozen: Option<Freeze>,
    /// When rollbacks started by themselves, oldest first, as far back as the budget looks.
    pub automatic_rollbacks: Vec<Timestamp>,
    pub banner: Banner,
    /// Incidents whose evidence is not complete, oldest first (PH-5, EV-3).
    pub evidence_open: Vec<OpenEvidence>,
    /// Their follow-ups that are not done.
    pub evidence_tasks: Vec<OpenTask>,
    /// A recovery that is not proven: a person is paged about it with the next tick, as a notice (JU-11, JU-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Unproven>,
    /// What the flag system was found to serve.
    #[serde(default, skip_serializing_if = "Served::is_as_recorded")]
    pub served: Served,
    /// What a neighbour was told that is not known here: the store was restored (OP-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// The stays that a restored store does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostStays>,
    /// The newest attempt at any of its moves: each has a higher number than all before it (RB-10).
    #[serde(default, skip_serializing_if = "is_unused")]
    pub fence: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_unused(fence: &u64) -> bool {
    *fence == 0
}

/// Which incident is recovered without a proof, and the decision that says how much is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unproven {
    pub incident: IncidentId,
    pub decision: Box<Decision>,
}

impl Document for TargetState {
    const KIND: &'static str = "target state";
    const STEPS: &'static [Step] = &[stored::OF_TARGET];
}

/// Where the rollout machine stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one a target, and never many in memory at once")]
pub enum Stage {
    /// No command is under way.
    Idle,
    /// A move up is under way.
    Promoting(Transition),
    /// A move had started its command when a rollback became necessary, a move down when an abort did: it must not win,
    /// so the rollback follows as soon as the command has ended, however it ended.
    Superseded { promotion: Transition, rollback: Transition },
    /// A move down is required and does not start by itself: the target is frozen, or the budget of such
    /// moves is spent. It is never forgotten; a person, the end of the freeze or time starts it.
    Waiting(Waiting),
    /// A move down is under way.
    RollingBack(Transition),
    /// A move down has used up its retries (RB-4); it stays until a person retries or takes over.
    RollbackFailed(Transition),
}

impl Stage {
    /// For logs, rejections and metric labels.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Whether no command is under way: what is served then is what is on record, or ought to be.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Idle | Self::Waiting(_) | Self::RollbackFailed(_))
    }

    /// The transition whose command may be started now.
    #[must_use]
    pub fn runnable(&self) -> Option<&Transition> {
        match self {
            Self::Promoting(it) | Self::RollingBack(it) => Some(it),
            Self::Idle | Self::Superseded { .. } | Self::Waiting(_) | Self::RollbackFailed(_) => None,
        }
    }

    /// The transition that counts: of a superseded move the rollback behind it, and one that waits too.
    #[must_use]
    pub fn transition(&self) -> Option<&Transition> {
        match self {
            Self::Idle => None,
            Self::Promoting(it) | Self::RollingBack(it) | Self::RollbackFailed(it) => Some(it),
            Self::Superseded { rollback, .. } | Self::Waiting(Waiting { rollback, .. }) => Some(rollback),
        }
    }
}

/// A required rollback, and what it waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub rollback: Transition,
    pub why: HoldReason,
    pub since: Timestamp,
    /// When it is looked at again by itself; none: at the end of the freeze.
    pub until: Option<Timestamp>,
    /// In words, as texts and the API say it.
    pub detail: String,
}

impl Waiting {
    /// As the API shows it, with the facts it waits for.
    #[must_use]
    pub fn view(&self, data: serde_json::Value) -> WaitingRollback {
        WaitingRollback {
            from: self.rollback.from.clone(),
            to: self.rollback.to.clone(),
            why: self.why,
            since: self.since,
            until: self.until,
            detail: self.detail.clone(),
            data,
            command: self.rollback.human.clone(),
        }
    }
}

/// The banner of DA-3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Banner {
    Off,
    On,
    /// Recovered: off at the next gated decision, or then if none comes.
    OffAt(Timestamp),
}

/// The newest decision of the epoch, as far as cards and promotion need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    pub decision: Uuid,
    pub window: Window,
    pub verdict: Verdict,
    pub action: Option<ViolationAction>,
    pub metrics: Vec<MetricVerdict>,
    pub gate: Option<GateProgress>,
    /// What of the window's telemetry could not be counted (TE-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
    pub decided_at: Timestamp,
}

impl TargetState {
    /// A target nobody has started yet.
    #[must_use]
    pub fn new(target: TargetName) -> Self {
        Self {
            target,
            phase: PhaseId::off(),
            epoch: 0,
            since: None,
            stage: Stage::Idle,
            ended: None,
            directive: None,
            incident: None,
            taken_on: None,
            latest: None,
            alerts: 0,
            incident_notices: Vec::new(),
            approvals: Vec::new(),
            approvals_void: Vec::new(),
            asked: None,
            frozen: None,
            automatic_rollbacks: Vec::new(),
            banner: Banner::Off,
            evidence_open: Vec::new(),
            evidence_tasks: Vec::new(),
            unproven: None,
            served: Served::default(),
            behind: None,
            lost: None,
            fence: 0,
        }
    }

    /// Another attempt at a move begins. Its number is at least the time, so that a target whose past was restored, or
    /// written by a release that counts nothing, does not give out a number again.
    pub(crate) fn raise_fence(&mut self, now: Timestamp) {
        self.fence = (self.fence + 1).max(u64::try_from(now.as_millis()).unwrap_or(0));
    }

    /// The rollback that waits, if one does.
    #[must_use]
    pub fn waiting(&self) -> Option<&Waiting> {
        match &self.stage {
            Stage::Waiting(it) => Some(it),
            _ => None,
        }
    }

    /// A transition that it knows: the one that counts now, or the newest that has ended.
    #[must_use]
    pub fn transition(&self, id: Uuid) -> Option<&Transition> {
        self.stage.transition().into_iter().chain(&self.ended).find(|it| it.id == id)
    }

    /// The newest transition, under way or ended.
    #[must_use]
    pub fn newest_transition(&self) -> Option<&Transition> {
        self.stage.transition().or(self.ended.as_ref())
    }

    /// DA-3.
    #[must_use]
    pub fn rollback_active(&self) -> bool {
        self.banner != Banner::Off
    }

    /// As the API shows it.
    #[must_use]
    pub fn rollout_state(&self) -> RolloutState {
        if self.frozen.is_some() {
            RolloutState::Frozen
        } else if self.incident.is_some() {
            RolloutState::Incident
        } else if self.phase.is_off() {
            RolloutState::Off
        } else if self.phase.is_completed() {
            RolloutState::Completed
        } else {
            RolloutState::Running
        }
    }

    /// When a tick has something to do, if ever.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let banner = match self.banner {
            Banner::OffAt(at) => Some(at),
            Banner::Off | Banner::On => None,
        };
        let waiting = self.waiting().and_then(|it| it.until);
        let unproven = self.unproven.as_ref().map(|it| it.decision.decided_at);
        banner.into_iter().chain(waiting).chain(unproven).min()
    }
}
