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
    Transition {
        id: context.new_transition,
        kind: request.kind,
        from: state.phase.clone(),
        to: request.to.clone(),
        epoch: state.epoch,
        state: TransitionState::Requested,
        request: planned(&state.target, &state.phase, request, context.policy),
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
    let off = PhaseId::off();
    let Some(first) = policy.phases.first().map(|phase| &phase.id) else { return Vec::new() };
    let moves = [(TransitionKind::Promote, &off, first), (TransitionKind::Rollback, first, &off)];
    moves.map(|(kind, from, to)| planned(target, from, &unasked(kind, to), policy)).into()
}

/// The move that would change nothing: from the phase on record to itself. It is never made; by it what is served is read back
/// (RB-11).
#[must_use]
pub fn as_recorded(target: &TargetName, phase: &PhaseId, policy: &TargetPolicy) -> executors::Request {
    planned(target, phase, &unasked(TransitionKind::Rollback, phase), policy)
}

/// A move that nobody asks for.
fn unasked(kind: TransitionKind, to: &PhaseId) -> Request<'static> {
    Request { kind, to: to.clone(), initiator: "", reason: "", incident: None }
}

fn planned(
    target: &TargetName,
    from: &PhaseId,
    request: &Request<'_>,
    policy: &TargetPolicy,
) -> executors::Request {
    policy.transitions.executor.plan(&Facts {
        kind: request.kind,
        target,
        from,
        to: &request.to,
        below: &policy.below(from).unwrap_or_else(PhaseId::off),
        above: &policy.above(from).unwrap_or_else(PhaseId::completed),
        audience_before: policy.audience_percent(from),
        audience_percent: policy.audience_percent(&request.to),
        served_alike: &policy.served_alike(&request.to),
        incident: request.incident,
        reason: request.reason,
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
