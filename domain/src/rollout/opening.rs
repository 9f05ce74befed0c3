//! How an incident opens.

use shared_types::Decision;

use super::evidence::Evidence;
use super::state::{Banner, Incident, IncidentStatus, Mitigation, Rca};
use super::step::{Context, Step};
use crate::template::values::worst_metric;

/// Opens an incident and binds the target to it.
pub(super) fn open(step: &mut Step, subject: Box<Decision>, mitigation: Mitigation, context: &Context<'_>) {
    let paging = &context.policy.paging;
    let target = &mut step.target;
    let incident = Incident {
        id: context.new_incident.clone(),
        target: target.target.clone(),
        phase: target.phase.clone(),
        epoch: target.epoch,
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
    };
    target.incident = Some(incident.id.clone());
    target.alerts += 1;
    target.banner = Banner::On;
    step.opened = true;
    step.incident = Some(incident);
}
