//! How people move a target, up and down.

use shared_types::PhaseId;
use shared_types::rollout::TransitionKind;

use super::approval;
use super::blocker::Blocker;
use super::command::{self, Request};
use super::effect::Effect;
use super::evidence;
use super::promotion;
use super::refusal::{Refusal, Rejection};
use super::rollback;
use super::state::{Stage, Transition};
use super::step::{Context, Step};

/// PH-6: up from `off`, by the same command as every move up. PL-2: only if it could be taken back.
pub(super) fn start(
    step: Step,
    by: &str,
    obstacles: &[String],
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let mut blockers = promotion::movement_blockers(&step.target, context.policy);
    blockers.extend(promotion::frozen(&step.target));
    blockers.extend(promotion::budget_spent(&step.target, &context.terms()));
    blockers.extend(evidence::blockers(&step.target));
    blockers.extend(obstacles.iter().map(|it| Blocker::MoveImpossible { obstacle: it.clone() }));
    if !step.target.phase.is_off() {
        let phase = step.target.phase.clone();
        let refusal = Refusal::Started { phase: phase.clone() };
        return Err(Rejection::blocked(refusal, vec![Blocker::Started { phase }]));
    }
    if !blockers.is_empty() {
        return Err(Rejection::blocked(Refusal::CannotStart, blockers));
    }
    move_up(step, by, context)
}

/// PH-5, PH-6.
pub(super) fn promote(
    step: Step,
    by: &str,
    from: Option<&PhaseId>,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    if let Some(from) = from {
        step.check_phase(from)?;
    }
    if step.target.phase.is_off() {
        return Err(Rejection::blocked(Refusal::NotStarted, vec![Blocker::NotStarted]));
    }
    let mut blockers = promotion::blockers(&step.target, &context.terms());
    // PH-10: who asks again has it tried again.
    blockers.retain(|it| !matches!(it, Blocker::MoveFailed { .. }));
    blockers.extend(approval::alone(&step.target, by, &context.terms()));
    if !blockers.is_empty() {
        return Err(Rejection::blocked(Refusal::CannotMoveUp { phase: step.target.phase }, blockers));
    }
    move_up(step, by, context)
}

/// RB-7. With an incident open it becomes that incident's rollback.
pub(super) fn rollback_by_hand(
    mut step: Step,
    by: &str,
    from: &PhaseId,
    reason: &str,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    step.check_phase(from)?;
    if context.policy.below(from).is_none() {
        return Err(Refusal::NothingBelow { phase: from.clone() }.into());
    }
    if step.target.incident.is_none() {
        step.incident = None;
    }
    rollback::begin(&mut step, by, reason, context);
    Ok(step)
}

/// PH-11: to `off` at once. With an incident open it becomes that incident's rollback.
pub(super) fn abort(
    mut step: Step,
    by: &str,
    reason: &str,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let goes_up = matches!(step.target.stage, Stage::Promoting(_));
    if step.target.phase.is_off() && !goes_up {
        return Err(Rejection::blocked(Refusal::NotStarted, vec![Blocker::NotStarted]));
    }
    let to_off = |it: &Transition| it.to.is_off() && it.kind == TransitionKind::Rollback;
    if let Stage::RollingBack(it) | Stage::Superseded { rollback: it, .. } = &step.target.stage
        && to_off(it)
    {
        step.repeated = true;
        return Ok(step);
    }
    if step.target.incident.is_none() {
        step.incident = None;
    }
    rollback::abort(&mut step, by, reason, context);
    Ok(step)
}

fn move_up(mut step: Step, by: &str, context: &Context<'_>) -> Result<Step, Rejection> {
    let Some(to) = context.policy.above(&step.target.phase) else {
        return Err(Refusal::NothingAbove { phase: step.target.phase }.into());
    };
    let reason = if step.target.phase.is_off() { "start" } else { "promotion" };
    let request = Request { kind: TransitionKind::Promote, to, initiator: by, reason, incident: None };
    let transition = command::transition(&step.target, &request, context);
    step.target.stage = Stage::Promoting(transition.clone());
    step.then(Effect::Run(transition));
    Ok(step)
}
