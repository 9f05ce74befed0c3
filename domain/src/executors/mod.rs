//! What moves a target from phase to phase: the half of an executor that decides. Its other half, which acts, is the
//! reporter's (`reporter-svc/src/executors`).
//!
//! A kind reads its section of the policy and plans a move as a [`Request`], which is kept whole with the transition before
//! anything happens. Nobody but its own two files looks into that; all others know the request's words.

pub mod command;
pub mod flagd;
mod kind;
pub mod stored;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use shared_types::rollout::TransitionKind;
use shared_types::{PhaseId, TargetName};

use crate::policy::TargetPolicy;

pub use kind::{Description, ExecutorKind, ExecutorPolicy, Facts, Planner, Report, Request};

/// The moves that a rollout begins with, and that its first violation asks for: what has to be possible before it starts (PL-2).
#[must_use]
pub fn first_moves(target: &TargetName, policy: &TargetPolicy) -> Vec<Request> {
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
            incident: None,
            reason: "",
        })
    };
    [up, down].map(plan).into()
}

/// The kinds of the product, one line each.
#[must_use]
pub fn shipped() -> Vec<Arc<dyn ExecutorKind>> {
    vec![Arc::new(command::Command), Arc::new(flagd::Flagd)]
}
