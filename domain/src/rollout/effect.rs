//! What a step wants done, before texts are rendered and rows are written.

use shared_types::story::StillHeld;
use shared_types::{Decision, Directive, Epoch, IncidentId, PhaseId, Timestamp, Window};
use uuid::Uuid;

use super::state::Transition;
use super::storm::StormFacts;
use crate::effects::notification::NotificationKind;
use crate::effects::{Loss, Severity};

/// An effect of a step. The intake turns each into one outbox row and, where people read it, one notification.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell people.
    Notify(Notice),
    /// Page, or raise the page of the same incident.
    Page { notice: Notice, severity: Severity, priority: String },
    /// Page beside any incident's page: a message was lost (NO-7), or the past was (OP-3).
    PageNotice(Notice),
    /// Set the priority field of the page; only sent when the page was raised.
    SetPagePriority { incident: IncidentId, priority: String },
    /// Ask, at that time, whether somebody has acknowledged.
    CheckPage { incident: IncidentId, at: Timestamp },
    /// Close the page (ES-4).
    ResolvePage { incident: IncidentId },
    /// Write the file of the root cause analysis, or bring it up to date; `prepare`: for the first time (GO-1).
    WriteRca { incident: IncidentId, prepare: bool },
    /// Write the follow-up tasks of all targets into `reports/checklist.md` (EV-1).
    WriteChecklist,
    /// Run the command.
    Run(Transition),
    /// The command has not been started: let it be.
    CancelRun(Uuid),
    /// Tell the collector.
    Direct(Directive),
}

/// Something to tell people, with the facts its text is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub kind: NoticeKind,
    /// The phase it speaks of.
    pub phase: PhaseId,
    /// What it is about; none of a rollback by hand.
    pub decision: Option<Box<Decision>>,
    pub incident: Option<IncidentId>,
    /// `P2`, `P1`; empty without an incident.
    pub priority: String,
    /// The human form of the rollback; none when nothing is rolled back.
    pub command: Option<String>,
    /// Why that rollback does not start by itself, if it waits.
    pub waiting: Option<String>,
}

impl Notice {
    /// Of a phase, and of no decision, incident or rollback.
    #[must_use]
    pub fn of(kind: NoticeKind, phase: &PhaseId) -> Self {
        Self {
            kind,
            phase: phase.clone(),
            decision: None,
            incident: None,
            priority: String::new(),
            command: None,
            waiting: None,
        }
    }
}

/// Which text, and where.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeKind {
    /// DE-1.
    Ok,
    /// DE-2: in the phases the policy names.
    Warn,
    /// JU-8: a window did not come, and those after it may not either; in the rollout channel only.
    Gap,
    /// TE-6: events that came regularly do not come any more; in the rollout channel only.
    Vanished,
    /// SLO-4 `hold`: the warning, in every phase.
    Hold,
    /// DE-3.
    Incident,
    /// JU-9g: the incident text again, and how long nothing has moved.
    StillHeld(StillHeld),
    /// ES-3: the incident text again.
    Escalation,
    /// RB-4: the incident text again, and what the last attempt said.
    RollbackFailed { reason: String, attempts: u32 },
    /// The budget of automatic rollbacks is spent, or a storm holds them: the incident text again, and that a person is asked.
    RollbackWaiting,
    /// JU-11: the incident text of a notice, and which incident has recovered without a proof.
    Unproven { incident: IncidentId },
    /// PH-5: whose approval the next move up needs.
    ApprovalAsked(Asked),
    /// Nothing moves any more but by hand.
    Frozen { by: String, reason: String },
    /// It may move again.
    Unfrozen { by: String, reason: Option<String> },
    /// GO-1: cause and prevention are due soon.
    RcaReminder { due_at: Timestamp },
    /// GO-2: nothing came by then; `to` is the phase that is recommended, if one is.
    ReviewOpened { due_at: Timestamp, to: Option<PhaseId> },
    /// GO-2: governance has decided; `to` is where the forced rollback leads.
    ReviewDecided { by: String, comment: String, to: Option<PhaseId> },
    /// NO-9: more incidents in a window than are told one by one.
    Storm(StormFacts),
    /// RB-11: something else is served than the phase on record, of `recorded` percent.
    Drifted { served: String, recorded: f64, upward: bool, corrects: bool },
    /// RB-11: the phase on record is served again.
    DriftOver { served: String, since: Timestamp },
    /// RB-11: nobody knows what is served.
    ServedUnread { since: Timestamp, reason: String },
    /// PH-10: a move up has used up its retries.
    MoveFailed { to: PhaseId, attempts: u32, reason: String },
    /// NO-7: something did not get through.
    GivenUp(Box<Loss>),
    /// OP-3: `told_by` was told an epoch and a sequence that are beyond those of this store.
    StoreBehind { told_by: String, known: (Epoch, u64), own: (Epoch, u64) },
    /// OP-3: a rollback was required in a past that is lost, in another phase than the one on record.
    RollbackLost { phase: PhaseId, window: Window },
    /// RB-12: into the runbook log, together with the rendered runbook.
    Rollback(Box<Transition>),
}

/// What approvals are asked for, and of whom; an approval of anything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub next: PhaseId,
    pub roles: Vec<String>,
    pub epoch: Epoch,
    pub policy_version: String,
}

impl NoticeKind {
    /// Under which kind it is kept.
    #[must_use]
    pub fn name(&self) -> NotificationKind {
        match self {
            Self::Ok => NotificationKind::Ok,
            Self::Warn => NotificationKind::Warn,
            Self::Gap => NotificationKind::Gap,
            Self::Vanished => NotificationKind::Vanished,
            Self::Hold => NotificationKind::Hold,
            Self::Incident => NotificationKind::Incident,
            Self::StillHeld(_) => NotificationKind::StillHeld,
            Self::Escalation => NotificationKind::Escalation,
            Self::RollbackFailed { .. } => NotificationKind::RollbackFailed,
            Self::RollbackWaiting => NotificationKind::RollbackWaiting,
            Self::Unproven { .. } => NotificationKind::Unproven,
            Self::ApprovalAsked(_) => NotificationKind::ApprovalAsked,
            Self::Frozen { .. } => NotificationKind::Frozen,
            Self::Unfrozen { .. } => NotificationKind::Unfrozen,
            Self::RcaReminder { .. } => NotificationKind::RcaReminder,
            Self::ReviewOpened { .. } => NotificationKind::ReviewOpened,
            Self::ReviewDecided { .. } => NotificationKind::ReviewDecided,
            Self::Storm(_) => NotificationKind::Storm,
            Self::Drifted { .. } => NotificationKind::Drifted,
            Self::DriftOver { .. } => NotificationKind::DriftOver,
            Self::ServedUnread { .. } => NotificationKind::ServedUnread,
            Self::MoveFailed { .. } => NotificationKind::MoveFailed,
            Self::GivenUp(_) => NotificationKind::GivenUp,
            Self::StoreBehind { .. } | Self::RollbackLost { .. } => NotificationKind::StoreBehind,
            Self::Rollback(_) => NotificationKind::Rollback,
        }
    }
}
