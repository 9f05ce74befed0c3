//! How a rollback begins, whoever asks for it.

use shared_types::PhaseId;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::story::Hop;

use super::command::{self, Request};
use super::directive::{resume_collecting, stop_collecting};
use super::effect::Effect;
use super::ending;
use super::hold::{self, Hold};
use super::opening::make_incident;
use super::state::{Stage, Transition, Waiting};
use super::step::{Context, Step};
use crate::policy::OnStorm;
use crate::story::words;

/// RB-1, RB-5: one phase down, for the incident the step is about; the old phase's cycle stops first. A promotion that
/// has not started its command is cancelled; one that has is followed. One that nobody asked for by hand may have
/// to wait. Does nothing where there is no phase below.
pub(super) fn begin(step: &mut Step, initiator: &str, reason: &str, context: &Context<'_>) {
    if adopt_running_rollback(step) {
        return;
    }
    let Some(to) = context.policy.below(&step.target.phase) else { return };
    begin_to(step, to, initiator, reason, context);
}

/// PH-11: to `off` in one move, whatever is under way: a command that runs goes to its end first.
pub(super) fn abort(step: &mut Step, initiator: &str, reason: &str, context: &Context<'_>) {
    begin_to(step, PhaseId::off(), initiator, reason, context);
}

fn begin_to(step: &mut Step, to: PhaseId, initiator: &str, reason: &str, context: &Context<'_>) {
    make_incident(step, None, context);
    let id = step.incident.as_ref().map(|it| it.id.clone()).or_else(|| step.target.incident.clone());
    let request = Request { kind: TransitionKind::Rollback, to, initiator, reason, incident: id.as_ref() };
    let rollback = command::transition(&step.target, &request, context);
    // One that waited is counted already.
    let counted = matches!(step.target.stage, Stage::Waiting(_));
    if let Some(incident) = step.open_incident() {
        incident.roll_back(&rollback);
        incident.rollbacks += u32::from(!counted);
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
        Stage::Promoting(running) | Stage::RollingBack(running)
            if running.state == TransitionState::Running =>
        {
            return supersede(step, running, rollback, context);
        }
        Stage::Superseded { promotion: running, .. } => return supersede(step, running, rollback, context),
        Stage::Promoting(old) | Stage::RollingBack(old) | Stage::RollbackFailed(old) => {
            ending::cancelled(step, old, context);
        }
        Stage::Idle | Stage::Waiting(_) => {}
    }
    launch(step, rollback, context);
}

/// What runs must not win: the rollback follows as soon as its command has ended, however it ended.
fn supersede(step: &mut Step, running: Transition, rollback: Transition, context: &Context<'_>) {
    stop_collecting(step);
    let hop = Hop::WaitingForPromotion { transition: running.id, to: running.to.clone() };
    step.hop(context.now, hop);
    step.target.stage = Stage::Superseded { promotion: running, rollback };
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
        incident.roll_back(running);
        incident.rollbacks += 1;
    }
    true
}

/// Starts a rollback, or has it wait. What a person asked for by hand never waits.
pub(super) fn launch(step: &mut Step, rollback: Transition, context: &Context<'_>) {
    if !rollback.is_by_itself() {
        return run(step, rollback);
    }
    let holds = step.storm.is_some() && context.policy.transitions.storm == OnStorm::Hold;
    let storm = holds.then(|| hold::storm(&step.target));
    match storm.or_else(|| hold::hold(&step.target, context.policy, context.now)) {
        Some(hold) => wait(step, rollback, &hold, context),
        None => {
            hold::spend(&mut step.target, context);
            run(step, rollback);
        }
    }
}

/// Starts the command of a rollback.
pub(super) fn run(step: &mut Step, rollback: Transition) {
    stop_collecting(step);
    step.target.stage = Stage::RollingBack(rollback.clone());
    step.then(Effect::Run(rollback));
}

/// It stands where it is seen, and starts when what holds it is over.
pub(super) fn wait(step: &mut Step, mut rollback: Transition, hold: &Hold, context: &Context<'_>) {
    rollback.state = TransitionState::Waiting;
    rollback.started_at = None;
    step.hop(context.now, Hop::RollbackWaiting { transition: rollback.id, hold: hold.clone() });
    step.target.stage = Stage::Waiting(Waiting {
        rollback,
        why: hold::why(hold),
        since: context.now,
        until: hold::until(hold),
        detail: words::hold(hold),
    });
    resume_collecting(step);
}
