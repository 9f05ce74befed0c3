//! How people are told again, and louder (ES-3, RB-4).

use shared_types::story::{EscalationReason, Hop};

use super::effect::{Effect, NoticeKind};
use super::state::NOTICES_KEPT;
use super::step::{Context, Step};
use crate::effects::Severity;

/// ES-3 and RB-4: P1, and the incident text again to the escalation channel. At most once an incident as far
/// as the page goes; a rollback that fails after an escalation is still told to people.
pub(super) fn escalate(step: &mut Step, kind: NoticeKind, context: &Context<'_>) {
    let paging = &context.policy.paging;
    let Some(incident) = step.incident.as_mut() else { return };
    let already = incident.escalated_at.is_some();
    incident.escalate_at = None;
    incident.escalated_at = incident.escalated_at.or(Some(context.now));
    incident.priority.clone_from(&paging.escalate_to);
    let waiting = step.target.waiting().map(|it| it.detail.clone());
    let (notice, id) = (incident.notice(kind, waiting), incident.id.clone());
    if !already {
        let priority = paging.escalate_to.clone();
        step.target.alerts += u64::from(!incident.notice);
        step.then(Effect::Page {
            notice: notice.clone(),
            severity: Severity::Critical,
            priority: priority.clone(),
        });
        step.then(Effect::SetPagePriority { incident: id, priority });
        let priority = paging.escalate_to.clone();
        step.hop(context.now, Hop::Escalated { how: why(&notice.kind), priority });
    }
    note_sent(step, context);
    step.then(Effect::Notify(notice));
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
    if step.incident.as_ref().is_some_and(|it| it.notice) {
        return;
    }
    let notices = &mut step.target.incident_notices;
    notices.push(context.now);
    let surplus = notices.len().saturating_sub(NOTICES_KEPT);
    notices.drain(..surplus);
}
