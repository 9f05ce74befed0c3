//! The one constructor of transitions: the policy's executor plans, and what it planned is kept whole (RB-2).

use crate::executors::{self, Facts};
use crate::policy::TargetPolicy;
use crate::template::values::rollback_command_text;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::{IncidentId, PhaseId, TargetName};

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
        served_alike: &policy.served_alike(&request.to),
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

/// The moves that a rollout begins with, and that its first violation asks for: what has to be possible before it starts (PL-2).
#[must_use]
pub fn first_moves(target: &TargetName, policy: &TargetPolicy) -> Vec<executors::Request> {
    let (off, completed) = (PhaseId::off(), PhaseId::completed());
    let Some(first) = policy.phases.first().map(|phase| &phase.id) else { return Vec::new() };
    let second = policy.phases.get(1).map_or(&completed, |phase| &phase.id);
    let up = (TransitionKind::Promote, &off, first, &off, first);
    let down = (TransitionKind::Rollback, first, &off, &off, second);
    let plan = |(kind, from, to, below, above): (_, _, &PhaseId, _, _)| {
        policy.transitions.executor.plan(&Facts {
            kind,
            target,
            from,
            to,
            below,
            above,
            audience_percent: policy.audience_percent(to),
            served_alike: &policy.served_alike(to),
            incident: None,
            reason: "",
        })
    };
    [up, down].map(plan).into()
}

/// The move that would change nothing: from the phase on record to itself. It is never made; by it what is served is read back
/// (RB-11).
#[must_use]
pub fn as_recorded(target: &TargetName, phase: &PhaseId, policy: &TargetPolicy) -> executors::Request {
    policy.transitions.executor.plan(&Facts {
        kind: TransitionKind::Rollback,
        target,
        from: phase,
        to: phase,
        below: &policy.below(phase).unwrap_or_else(PhaseId::off),
        above: &policy.above(phase).unwrap_or_else(PhaseId::completed),
        audience_percent: policy.audience_percent(phase),
        served_alike: &policy.served_alike(phase),
        incident: None,
        reason: "",
    })
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
