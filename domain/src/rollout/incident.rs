//! The incident machine: open, recovered, closed; acknowledged, escalated.

use crate::executors::stored::OF_INCIDENT;
use crate::stored::{self, Document};
use crate::template::values::worst_metric;
use serde::{Deserialize, Serialize};
use shared_types::incident::IncidentState;
use shared_types::story::{Acknowledgement as Acknowledging, EscalationReason, Hop, Recovery};
use shared_types::{Decision, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};

use super::effect::{Effect, Notice, NoticeKind};
use super::event::Event;
use super::evidence::{self, Evidence};
use super::hold;
use super::rca::{self, Rca};
use super::refusal::{Refusal, Rejection};
use super::review::{self, Review};
use super::state::{Banner, Transition};
use super::step::{Context, Step};
use super::watch::{Coverage, Watch};
use crate::effects::Severity;

/// How many times of incident texts a target remembers (PH-4).
pub(super) const NOTICES_KEPT: usize = 32;

/// The state of the incident machine. Stored as JSON, one row an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub target: TargetName,
    pub phase: PhaseId,
    pub epoch: Epoch,
    #[serde(rename = "stand")]
    pub status: IncidentStatus,
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
    /// The newest rollback.
    pub rollback: Option<Transition>,
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
    const STEPS: &'static [stored::Step] = &[OF_INCIDENT];
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

impl Incident {
    /// Opens.
    #[must_use]
    pub fn open(step: &Step, subject: Box<Decision>, mitigation: Mitigation, context: &Context<'_>) -> Self {
        let paging = &context.policy.paging;
        Self {
            id: context.new_incident.clone(),
            target: step.target.target.clone(),
            phase: step.target.phase.clone(),
            epoch: step.target.epoch,
            status: IncidentStatus::Open(mitigation),
            metric: worst_metric(&subject),
            window: subject.window,
            subject,
            priority: paging.priority.clone(),
            opened_at: context.now,
            acknowledged: None,
            acknowledge_by: context.now.plus(paging.acknowledge_within),
            escalate_at: Some(context.now.plus(paging.escalate_after)),
            escalated_at: None,
            recovered_at: None,
            closed_at: None,
            rollback: None,
            rollbacks: 0,
            rca: Rca::asked(context.now, context.policy.rca.due),
            review: None,
            runbook: None,
            evidence: Evidence::default(),
        }
    }

    /// As the API names it.
    #[must_use]
    pub fn state(&self) -> IncidentState {
        match self.status {
            IncidentStatus::Open(_) => IncidentState::Open,
            IncidentStatus::Recovered => IncidentState::Recovered,
            IncidentStatus::Closed => IncidentState::Closed,
        }
    }

    /// The same for every page of the incident (ES-1).
    #[must_use]
    pub fn dedup_key(&self) -> String {
        format!("phasegate/{}/{}", self.target, self.id)
    }

    /// When a tick has something to do, if ever.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let deadline = match &self.status {
            IncidentStatus::Closed => return None,
            IncidentStatus::Open(Mitigation::Watching(watch)) => watch.deadline,
            IncidentStatus::Open(_) | IncidentStatus::Recovered => None,
        };
        let rca = self.rca.next_due(self.review.is_some());
        self.escalate_at.into_iter().chain(deadline).chain(rca).min()
    }

    /// The notice of this incident: what happened, the command that answers it, and why that one waits.
    #[must_use]
    pub fn notice(&self, kind: NoticeKind, waiting: Option<String>) -> Notice {
        Notice {
            kind,
            phase: self.rollback.as_ref().map_or_else(|| self.phase.clone(), |it| it.from.clone()),
            decision: Some(self.subject.clone()),
            incident: Some(self.id.clone()),
            priority: self.priority.clone(),
            command: self.rollback.as_ref().map(|it| it.human.clone()),
            waiting,
        }
    }
}

/// Applies what people do to an incident, and the passing of time. One table.
///
/// # Errors
/// A [`Rejection`] when the incident is in a state in which this cannot happen.
pub fn apply(mut step: Step, event: &Event, context: &Context<'_>) -> Result<Step, Rejection> {
    let Some(incident) = step.incident.take() else {
        return Err(Refusal::NoIncident.into());
    };
    match (&incident.status, event) {
        (IncidentStatus::Open(_) | IncidentStatus::Recovered, Event::Acknowledged { by, at }) => {
            Ok(acknowledge(step, incident, by, *at, context))
        }
        (IncidentStatus::Open(_) | IncidentStatus::Recovered, Event::RcaSubmitted { by, finding }) => {
            rca::submit(step, incident, by, finding, context)
        }
        (IncidentStatus::Open(_) | IncidentStatus::Recovered, Event::RcaConfirmed { by, comment }) => {
            rca::confirm(step, incident, by, comment, context)
        }
        (
            IncidentStatus::Open(_) | IncidentStatus::Recovered,
            Event::ReviewDecided { by, approve, comment },
        ) => review::decide(step, incident, (by, *approve, comment), context),
        (_, Event::EvidenceChecked { facts }) => Ok(evidence::learn(step, incident, facts)),
        (_, Event::EvidenceSigned(signing)) => evidence::sign(step, incident, signing, context),
        (_, Event::EvidenceTaskDone { by, item }) => {
            evidence::finish_task(step, incident, (item, by), context)
        }
        (_, Event::RcaPrepared) => Ok(rca::prepared(step, incident, context)),
        (_, Event::PageResolved { by, at }) => Ok(page_resolved(step, incident, by, *at, context)),
        (IncidentStatus::Open(_) | IncidentStatus::Recovered, Event::Tick) => {
            step.incident = Some(incident);
            Ok(pass_time(step, context))
        }
        (IncidentStatus::Closed, Event::Tick) => {
            step.incident = Some(incident);
            Ok(step)
        }
        (IncidentStatus::Closed, other) => {
            Err(Refusal::IncidentClosed { incident: incident.id, event: other.name() }.into())
        }
        (_, other) => Err(Refusal::NotOfAnIncident { event: other.name() }.into()),
    }
}

/// ES-3. The first one counts; it stops an escalation that has not happened yet and undoes none that has. News may
/// overtake each other: one that happened before the one known so far is the first.
fn acknowledge(
    mut step: Step,
    mut incident: Incident,
    by: &str,
    at: Timestamp,
    context: &Context<'_>,
) -> Step {
    let at = happened(at, &incident, context);
    let known = incident.acknowledged.as_ref().map(|it| it.at);
    if known.is_none_or(|known| at < known) {
        incident.acknowledged = Some(Acknowledgement { at, by: by.to_owned() });
        incident.escalate_at = None;
        let how = match known {
            Some(_) => Acknowledging::LearnedLate,
            None if incident.escalated_at.is_some() => Acknowledging::AfterEscalation,
            None => Acknowledging::First,
        };
        step.incident = Some(incident);
        step.hop(context.now, Hop::Acknowledged { how, by: by.to_owned(), acknowledged_at: at });
    } else {
        step.repeated = true;
        step.incident = Some(incident);
    }
    step
}

/// What others say of the time, within reason. The replica that opened the incident may be ahead of this one.
fn happened(at: Timestamp, incident: &Incident, context: &Context<'_>) -> Timestamp {
    at.min(context.now).max(incident.opened_at)
}

/// A person closed the page; that neither recovers anything nor finds a cause.
fn page_resolved(mut step: Step, incident: Incident, by: &str, at: Timestamp, context: &Context<'_>) -> Step {
    let at = happened(at, &incident, context);
    step.incident = Some(incident);
    step.hop(at, Hop::PageResolvedByPerson { by: by.to_owned() });
    step
}

/// Whatever is due on an incident that is not closed.
fn pass_time(mut step: Step, context: &Context<'_>) -> Step {
    let escalate_at = step.incident.as_ref().and_then(|it| it.escalate_at);
    if escalate_at.is_some_and(|at| at <= context.now) {
        step = escalate(step, NoticeKind::Escalation, context);
    }
    rca::remind_if_due(&mut step, context);
    review::open_if_due(&mut step, context);
    step
}

/// ES-3 and RB-4: P1, and the incident text again to the escalation channel. At most once an incident as far
/// as the page goes; a rollback that fails after an escalation is still told to people.
pub(super) fn escalate(mut step: Step, kind: NoticeKind, context: &Context<'_>) -> Step {
    let paging = &context.policy.paging;
    let Some(incident) = step.incident.as_mut() else { return step };
    let already = incident.escalated_at.is_some();
    incident.escalate_at = None;
    incident.escalated_at = incident.escalated_at.or(Some(context.now));
    incident.priority.clone_from(&paging.escalate_to);
    let waiting = hold::waiting(&step.target).map(|it| it.detail.clone());
    let (notice, id) = (incident.notice(kind, waiting), incident.id.clone());
    if !already {
        let priority = paging.escalate_to.clone();
        step.target.alerts += 1;
        step.then(Effect::Page {
            notice: notice.clone(),
            severity: Severity::Critical,
            priority: priority.clone(),
        });
        step.then(Effect::SetPagePriority { incident: id, priority });
        let priority = paging.escalate_to.clone();
        step.hop(context.now, Hop::Escalated { how: why(&notice.kind), priority });
    }
    note_sent(&mut step, context);
    step.then(Effect::Notify(notice));
    step
}

fn why(kind: &NoticeKind) -> EscalationReason {
    match kind {
        NoticeKind::RollbackFailed { .. } => EscalationReason::RollbackFailed,
        NoticeKind::RollbackWaiting => EscalationReason::RollbackWaiting,
        _ => EscalationReason::Unacknowledged,
    }
}

/// Remembers that an incident text goes out (PH-4).
pub(super) fn note_sent(step: &mut Step, context: &Context<'_>) {
    let notices = &mut step.target.incident_notices;
    notices.push(context.now);
    let surplus = notices.len().saturating_sub(NOTICES_KEPT);
    notices.drain(..surplus);
}

/// The recovery is confirmed: the target has no open incident any more, the banner goes off a cycle later.
pub(super) fn recover(step: &mut Step, how: Recovery, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    incident.status = IncidentStatus::Recovered;
    incident.recovered_at = Some(context.now);
    step.target.incident = None;
    step.target.banner = Banner::OffAt(context.now.plus(context.policy.collection.window));
    step.hop(context.now, Hop::Recovered { how });
    close_if_done(step, context);
}

/// ES-4: recovered and RCA confirmed.
pub(super) fn close_if_done(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    if incident.status != IncidentStatus::Recovered || incident.rca.confirmation.is_none() {
        return;
    }
    incident.status = IncidentStatus::Closed;
    incident.closed_at = Some(context.now);
    incident.escalate_at = None;
    let id = incident.id.clone();
    step.hop(context.now, Hop::Closed);
    step.then(Effect::ResolvePage { incident: id });
}
