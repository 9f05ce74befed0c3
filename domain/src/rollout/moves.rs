//! How moves begin: by a person upwards, by a person or a violation downwards.

use shared_types::rollout::TransitionState;
use shared_types::story::Hop;
use shared_types::{Directive, PhaseId};

use super::approval;
use super::blocker::Blocker;
use super::command::{self, Request};
use super::effect::Effect;
use super::evidence;
use super::hold;
use super::incident::{IncidentStatus, Mitigation};
use super::promotion;
use super::refusal::{Refusal, Rejection};
use super::state::{Stage, Transition};
use super::step::{Context, Step};
use crate::effects::TransitionKind;

/// Who initiates what nobody asked for by hand.
pub const ITSELF: &str = "phasegate";

/// PH-6: up from `off`, by the same command as every move up.
pub(super) fn start(step: Step, by: &str, context: &Context<'_>) -> Result<Step, Rejection> {
    let mut blockers = promotion::movement_blockers(&step.target, context.policy);
    blockers.extend(promotion::frozen(&step.target));
    blockers.extend(evidence::blockers(&step.target));
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
        check_phase(&step, from)?;
    }
    if step.target.phase.is_off() {
        return Err(Rejection::blocked(Refusal::NotStarted, vec![Blocker::NotStarted]));
    }
    let mut blockers = promotion::blockers(&step.target, &context.terms());
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
    check_phase(&step, from)?;
    if context.policy.below(from).is_none() {
        return Err(Refusal::NothingBelow { phase: from.clone() }.into());
    }
    if step.target.incident.is_none() {
        step.incident = None;
    }
    begin_rollback(&mut step, by, reason, context);
    Ok(step)
}

pub(super) fn check_phase(step: &Step, named: &PhaseId) -> Result<(), Rejection> {
    let current = &step.target.phase;
    if named == current {
        return Ok(());
    }
    let (target, phase) = (step.target.target.clone(), current.clone());
    let blockers = vec![Blocker::WrongPhase { phase: phase.clone() }];
    Err(Rejection::blocked(Refusal::WrongPhase { target, phase, named: named.clone() }, blockers))
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

/// RB-1, RB-5: one phase down, for the incident the step is about; the old phase's cycle stops first. A promotion that
/// has not started its command is cancelled; one that has is followed. One that nobody asked for by hand may have
/// to wait. Does nothing where there is no phase below.
pub(super) fn begin_rollback(step: &mut Step, initiator: &str, reason: &str, context: &Context<'_>) {
    if adopt_running_rollback(step) {
        return;
    }
    let Some(to) = context.policy.below(&step.target.phase) else { return };
    let id = step.incident.as_ref().map(|it| it.id.clone()).or_else(|| step.target.incident.clone());
    let request = Request { kind: TransitionKind::Rollback, to, initiator, reason, incident: id.as_ref() };
    let rollback = command::transition(&step.target, &request, context);
    // One that waited is counted already.
    let counted = matches!(step.target.stage, Stage::Waiting(_));
    if let Some(incident) = step.open_incident() {
        incident.rollback = Some(rollback.clone());
        incident.rollbacks += u32::from(!counted);
        incident.status = IncidentStatus::Open(Mitigation::RollingBack);
    }
    let requested = Hop::RollbackRequested {
        transition: rollback.id,
        by: initiator.to_owned(),
        from: rollback.from.clone(),
        to: rollback.to.clone(),
        reason: reason.to_owned(),
    };
    step.hop(context.now, requested);
    match std::mem::replace(&mut step.target.stage, Stage::Idle) {
        Stage::Promoting(promotion) if promotion.state == TransitionState::Running => {
            stop_collecting(step);
            let hop = Hop::WaitingForPromotion { transition: promotion.id, to: promotion.to.clone() };
            step.hop(context.now, hop);
            step.target.stage = Stage::Superseded { promotion, rollback };
            return;
        }
        Stage::Promoting(mut old) | Stage::RollbackFailed(mut old) => {
            step.then(Effect::CancelRun(old.id));
            old.state = TransitionState::Failed;
            old.finished_at = Some(context.now);
            step.target.ended = Some(old);
        }
        // Those under way were adopted above.
        Stage::Idle | Stage::Waiting(_) | Stage::RollingBack(_) | Stage::Superseded { .. } => {}
    }
    hold::launch(step, rollback, context);
}

/// A rollback that is under way already (a person's) becomes the incident's: none is started beside it.
fn adopt_running_rollback(step: &mut Step) -> bool {
    let id = step.target.incident.clone();
    let (Stage::RollingBack(running) | Stage::Superseded { rollback: running, .. }) = &mut step.target.stage
    else {
        return false;
    };
    if let Some(incident) = step.incident.as_mut() {
        running.incident = id;
        incident.rollback = Some(running.clone());
        incident.rollbacks += 1;
        incident.status = IncidentStatus::Open(Mitigation::RollingBack);
    }
    true
}

/// A move up that has not started its command is not worth finishing once something is wrong.
pub(super) fn cancel_waiting_promotion(step: &mut Step, context: &Context<'_>) {
    let Stage::Promoting(it) = &step.target.stage else { return };
    if it.state == TransitionState::Running {
        return;
    }
    let mut it = it.clone();
    it.state = TransitionState::Failed;
    it.finished_at = Some(context.now);
    step.then(Effect::CancelRun(it.id));
    step.target.ended = Some(it);
    step.target.stage = Stage::Idle;
}

/// Starts the command of a rollback.
pub(super) fn run(step: &mut Step, rollback: Transition) {
    stop_collecting(step);
    step.target.stage = Stage::RollingBack(rollback.clone());
    step.then(Effect::Run(rollback));
}

pub(super) fn next_sequence(step: &Step) -> u64 {
    step.target.directive.as_ref().map_or(1, |it| it.sequence + 1)
}

pub(super) fn direct(step: &mut Step, directive: Directive) {
    step.target.directive = Some(directive.clone());
    step.then(Effect::Direct(directive));
}

/// RB-5: the old phase's windows are held back. What comes in is still counted.
fn stop_collecting(step: &mut Step) {
    collect(step, false);
}

/// A rollback that waits leaves the phase as it is: its windows are judged on.
pub(super) fn resume_collecting(step: &mut Step) {
    collect(step, true);
}

fn collect(step: &mut Step, collect: bool) {
    let sequence = next_sequence(step);
    let Some(mut directive) = step.target.directive.clone() else { return };
    if directive.collect == collect {
        return;
    }
    directive.sequence = sequence;
    directive.collect = collect;
    direct(step, directive);
}
