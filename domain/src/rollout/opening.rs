//! How an incident opens.

use shared_types::Decision;
use shared_types::decision::{Cause, ViolationAction};

use super::escalation::note_sent;
use super::evidence::Evidence;
use super::state::{Banner, Incident, IncidentStatus, Mitigation, Rca};
use super::step::{Context, Step};
use crate::template::values::worst_metric;

/// Whether a person is paged about what is not the feature's doing: nobody sees, or nobody can be sure (JU-17).
pub(super) fn is_notice(decision: &Decision) -> bool {
    decision.violated.is_empty()
        && decision.action == Some(ViolationAction::Page)
        && decision.cause != Cause::RetryExhausted
}

/// Something is violated, or moves, while a notice is open: from now on it is an incident as any.
pub(super) fn make_incident(step: &mut Step, subject: Option<Box<Decision>>, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut().filter(|it| it.notice) else { return };
    incident.notice = false;
    if let Some(subject) = subject {
        incident.metric = worst_metric(&subject);
        incident.subject = subject;
    }
    incident.rca = Rca::asked(context.now, context.policy.rca.due);
    step.target.alerts += 1;
    step.to_explain = true;
    note_sent(step, context);
}

/// Opens an incident and binds the target to it.
pub(super) fn open(step: &mut Step, subject: Box<Decision>, mitigation: Mitigation, context: &Context<'_>) {
    let paging = &context.policy.paging;
    let notice = is_notice(&subject);
    // Who sees nothing cannot wait (JU-8).
    let blind = notice && subject.cause == Cause::CollectionDelayed;
    let priority = if blind { &paging.escalate_to } else { &paging.priority };
    let target = &mut step.target;
    let incident = Incident {
        id: context.new_incident.clone(),
        target: target.target.clone(),
        phase: target.phase.clone(),
        epoch: target.epoch,
        status: IncidentStatus::Open(mitigation),
        notice,
        unproven: false,
        metric: worst_metric(&subject),
        window: subject.window,
        subject,
        priority: priority.clone(),
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
    };
    target.incident = Some(incident.id.clone());
    target.unproven = None;
    target.alerts += u64::from(!notice);
    target.banner = Banner::On;
    step.opened = true;
    step.to_explain = !notice;
    step.incident = Some(incident);
}
