//! The one constructor of transitions: the policy's executor plans, and what it planned is kept whole (RB-2).

use crate::executors::Facts;
use crate::template::values::rollback_command_text;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::{IncidentId, PhaseId};

use super::state::{TargetState, Transition};
use super::step::Context;

/// Who asks for a transition, and why.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub kind: TransitionKind,
    pub to: PhaseId,
    pub initiator: &'a str,
    /// `save_latency_p95 violation`, or a person's words.
    pub reason: &'a str,
    pub incident: Option<&'a IncidentId>,
}

/// Writes the transition down whole.
#[must_use]
pub fn transition(state: &TargetState, request: &Request<'_>, context: &Context<'_>) -> Transition {
    let policy = context.policy;
    let facts = Facts {
        kind: request.kind,
        target: &state.target,
        from: &state.phase,
        to: &request.to,
        below: &policy.below(&state.phase).unwrap_or_else(PhaseId::off),
        above: &policy.above(&state.phase).unwrap_or_else(PhaseId::completed),
        audience_percent: policy.audience_percent(&request.to),
        incident: request.incident,
        reason: request.reason,
    };
    Transition {
        id: context.new_transition,
        kind: request.kind,
        from: state.phase.clone(),
        to: request.to.clone(),
        epoch: state.epoch,
        state: TransitionState::Requested,
        request: context.policy.transitions.executor.plan(&facts),
        human: human(state, request),
        initiator: request.initiator.to_owned(),
        reason: request.reason.to_owned(),
        incident: request.incident.cloned(),
        requested_at: context.now,
        started_at: None,
        finished_at: None,
        attempts: 0,
        output: None,
        verified: None,
    }
}

/// What a person would type.
fn human(state: &TargetState, request: &Request<'_>) -> String {
    let (target, phase) = (&state.target, &state.phase);
    match request.kind {
        TransitionKind::Promote if phase.is_off() => format!("phasegate start --target {target}"),
        TransitionKind::Promote => format!("phasegate promote --target {target}"),
        TransitionKind::Rollback => rollback_command_text(target, phase, request.reason),
    }
}
