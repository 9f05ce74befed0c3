//! Rollbacks that wait, and what makes them: a freeze, and time.
//!
//! A required rollback is never lost. It waits in the rollout machine's own stage, stands in texts, status and
//! dashboard, and starts when the freeze ends, when the budget allows it, or when a person rolls back by hand.

use shared_types::rollout::{Freeze, HoldReason, TransitionKind, TransitionState};
use shared_types::story::Hop;

use super::command::{self, Request};
use super::effect::{Effect, Notice, NoticeKind};
use super::ending;
use super::escalation;
use super::hold;
use super::rollback;
use super::state::{NewestRollback, Stage, Transition, Waiting};
use super::step::{Context, Step};
use crate::story::words;

/// Looks again at what waits: it starts, or waits for something else now.
fn look_again(step: &mut Step, context: &Context<'_>) {
    let Stage::Waiting(before) = step.target.stage.clone() else { return };
    if before.why == HoldReason::Storm {
        return;
    }
    let Some(hold) = hold::hold(&step.target, context.policy, context.now) else {
        return start(step, &before.rollback, context);
    };
    let other = hold::why(&hold) != before.why;
    if other {
        let transition = before.rollback.id;
        step.hop(context.now, Hop::RollbackWaiting { transition, hold: hold.clone() });
    }
    let (why, until, detail) = (hold::why(&hold), hold::until(&hold), words::hold(&hold));
    step.target.stage = Stage::Waiting(Waiting { why, until, detail, ..before });
    if other {
        ask_person(step, context);
    }
}

/// The same rollback under a new id: the row of one that was taken back is not used again.
fn start(step: &mut Step, before: &Transition, context: &Context<'_>) {
    let to = context.policy.below(&step.target.phase).unwrap_or_else(|| before.to.clone());
    let request = Request {
        kind: before.kind,
        to,
        initiator: &before.initiator,
        reason: &before.reason,
        incident: before.incident.as_ref(),
    };
    let rollback = command::transition(&step.target, &request, context);
    if let Some(incident) = step.open_incident() {
        incident.rollback = Some(NewestRollback::asked(&rollback));
    }
    step.hop(context.now, Hop::RollbackReleased { transition: rollback.id });
    hold::spend(&mut step.target, context);
    rollback::run(step, rollback);
}

/// Where the budget is spent, or a storm holds rollbacks, a person has to be found: the page is raised and the escalation channel told.
pub(super) fn ask_person(step: &mut Step, context: &Context<'_>) {
    if step.target.waiting().is_some_and(|it| it.why != HoldReason::Frozen) {
        escalation::escalate(step, NoticeKind::RollbackWaiting, context);
    }
}

/// Time has passed. What is due on an older incident says nothing of the rollback that waits for the open one.
pub(super) fn tick(step: &mut Step, context: &Context<'_>) {
    if step.is_about_older_incident() {
        return;
    }
    if step.target.waiting().is_some_and(|it| it.until.is_some_and(|until| until <= context.now)) {
        look_again(step, context);
    }
}

/// From now on nothing moves but rollbacks by hand. What has not started its command is stopped; what has goes to its
/// end.
pub(super) fn freeze(mut step: Step, by: String, reason: String, context: &Context<'_>) -> Step {
    if step.target.frozen.is_some() {
        step.repeated = true;
        return step;
    }
    step.target.frozen = Some(Freeze { by: by.clone(), at: context.now, reason: reason.clone() });
    step.hop(context.now, Hop::Frozen { by: by.clone(), reason: reason.clone() });
    match step.target.stage.clone() {
        Stage::Promoting(_) => ending::cancel_waiting_promotion(&mut step, context),
        Stage::RollingBack(it) if it.state == TransitionState::Requested => suspend(&mut step, it, context),
        Stage::Waiting(_) => look_again(&mut step, context),
        _ => {}
    }
    tell(&mut step, NoticeKind::Frozen { by, reason });
    step
}

/// It may move again; what waited for this starts.
pub(super) fn unfreeze(mut step: Step, by: String, reason: Option<String>, context: &Context<'_>) -> Step {
    if step.target.frozen.take().is_none() {
        step.repeated = true;
        return step;
    }
    step.hop(context.now, Hop::Unfrozen { by: by.clone(), reason: reason.clone() });
    look_again(&mut step, context);
    tell(&mut step, NoticeKind::Unfrozen { by, reason });
    step
}

/// A command that failed is not tried again by itself while its target is frozen.
pub(super) fn after_failure(mut step: Step, context: &Context<'_>) -> Step {
    if step.target.frozen.is_none() {
        return step;
    }
    match step.target.stage.clone() {
        Stage::Promoting(it) => ending::cancelled(&mut step, it, context),
        Stage::RollingBack(it) => suspend(&mut step, it, context),
        _ => {}
    }
    step
}

/// Takes back a rollback whose command is not running, unless a person asked for it.
fn suspend(step: &mut Step, rollback: Transition, context: &Context<'_>) {
    if !rollback.is_by_itself() {
        return;
    }
    let Some(hold) = hold::hold(&step.target, context.policy, context.now) else { return };
    step.then(Effect::CancelRun(rollback.id));
    step.target.automatic_rollbacks.pop();
    rollback::wait(step, rollback, &hold, context);
}

fn tell(step: &mut Step, kind: NoticeKind) {
    let rollback = step.target.stage.transition().filter(|it| it.is_by_itself());
    let command = rollback.filter(|it| it.kind == TransitionKind::Rollback);
    let command = command.map(|it| it.human.clone());
    let waiting = step.target.waiting().map(|it| it.detail.clone());
    let notice = Notice { command, waiting, ..Notice::of(kind, &step.target.phase) };
    step.then(Effect::Notify(notice));
}
