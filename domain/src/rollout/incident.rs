//! The incident machine: open, recovered, closed; acknowledged, escalated.

use shared_types::Timestamp;
use shared_types::story::{Acknowledgement as Acknowledging, Hop};

use super::effect::NoticeKind;
use super::escalation;
use super::event::Event;
use super::evidence;
use super::rca;
use super::refusal::{Refusal, Rejection};
use super::review;
use super::state::{Acknowledgement, Incident};
use super::step::{Context, Step};

/// Applies what people do to an incident. One table.
///
/// # Errors
/// A [`Rejection`] when the incident is in a state in which this cannot happen.
pub(super) fn apply(mut step: Step, event: &Event, context: &Context<'_>) -> Result<Step, Rejection> {
    let Some(incident) = step.incident.take() else {
        return Err(Refusal::NoIncident.into());
    };
    match (incident.status.is_closed(), event) {
        (false, Event::Acknowledged { by, at }) => Ok(acknowledge(step, incident, by, *at, context)),
        (false, Event::RcaSubmitted { by, finding }) => rca::submit(step, incident, by, finding, context),
        (false, Event::RcaConfirmed { by, comment, read }) => {
            rca::confirm(step, incident, by, comment, read.as_deref(), context)
        }
        (false, Event::ReviewDecided { by, approve, comment }) => {
            review::decide(step, incident, (by, *approve, comment), context)
        }
        (_, Event::EvidenceChecked { facts }) => Ok(evidence::learn(step, incident, facts)),
        (_, Event::EvidenceSigned(signing)) => evidence::sign(step, incident, signing, context),
        (_, Event::EvidenceTaskDone { by, item }) => {
            evidence::finish_task(step, incident, (item, by), context)
        }
        (_, Event::RcaPrepared) => Ok(rca::prepared(step, incident, context)),
        (_, Event::PageResolved { by, at }) => Ok(page_resolved(step, incident, by, *at, context)),
        (true, other) => Err(Refusal::IncidentClosed { incident: incident.id, event: other.name() }.into()),
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
        if step.target.incident.as_ref() == Some(&incident.id) {
            step.target.taken_on = Some(by.to_owned());
        }
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
pub(super) fn pass_time(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_ref().filter(|it| !it.status.is_closed()) else {
        return;
    };
    if incident.escalate_at.is_some_and(|at| at <= context.now) {
        escalation::escalate(step, NoticeKind::Escalation, context);
    }
    rca::remind_if_due(step, context);
    review::open_if_due(step, context);
}
