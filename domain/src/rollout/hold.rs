//! What keeps a required rollback from starting by itself: a freeze, and the budget of such rollbacks.
//!
//! A required rollback is never lost. It waits in the rollout machine's own stage, stands in texts, status and
//! dashboard, and starts when the freeze ends, when the budget allows it, or when a person rolls back by hand.

use crate::policy::TargetPolicy;
use shared_types::Timestamp;
use shared_types::rollout::{AutomaticRollbacks, Freeze, HoldReason, TransitionState};
use shared_types::story::{self, Hop};

use super::command::{self, Request};
use super::effect::{Effect, Notice, NoticeKind};
use super::incident;
use super::moves::{ITSELF, cancel_waiting_promotion, resume_collecting, run};
use super::outcome::promotion_failed;
use super::state::{Stage, TargetState, Transition, Waiting};
use super::step::{Context, Step, Terms};
use super::watch::millis;
use crate::story::figures::format_duration;
use crate::story::words;

/// What a rollback waits for.
type Hold = story::Hold;

fn why(hold: &Hold) -> HoldReason {
    match hold {
        Hold::Frozen { .. } => HoldReason::Frozen,
        Hold::Budget { .. } => HoldReason::Budget,
    }
}

/// When it starts by itself at the latest, if by itself.
fn until(hold: &Hold) -> Option<Timestamp> {
    match hold {
        Hold::Frozen { .. } => None,
        Hold::Budget { until, .. } => Some(*until),
    }
}

/// What keeps the next rollback from starting by itself now.
fn hold(target: &TargetState, policy: &TargetPolicy, now: Timestamp) -> Option<Hold> {
    if let Some(freeze) = &target.frozen {
        return Some(frozen(freeze, target));
    }
    let budget = policy.transitions.budget;
    let most = usize::try_from(budget.automatic_rollbacks).unwrap_or(usize::MAX);
    let recent = recent(target, policy, now);
    let oldest = recent.len().checked_sub(most).and_then(|at| recent.get(at))?;
    Some(budget_spent(policy, oldest.plus(budget.per)))
}

/// When rollbacks have started by themselves, as far back as the budget looks.
fn recent(target: &TargetState, policy: &TargetPolicy, now: Timestamp) -> Vec<Timestamp> {
    let since = now.minus(policy.transitions.budget.per);
    target.automatic_rollbacks.iter().copied().filter(|at| *at > since).collect()
}

/// The budget and what is spent of it.
#[must_use]
pub fn budget(target: &TargetState, terms: &Terms<'_>) -> AutomaticRollbacks {
    let budget = terms.policy.transitions.budget;
    let started = recent(target, terms.policy, terms.now).len();
    AutomaticRollbacks {
        started: u64::try_from(started).unwrap_or(u64::MAX),
        allowed: budget.automatic_rollbacks,
        per_ms: millis(budget.per),
    }
}

/// The rollback that waits, if one does.
pub(super) fn waiting(target: &TargetState) -> Option<&Waiting> {
    match &target.stage {
        Stage::Waiting(it) => Some(it),
        _ => None,
    }
}

/// What that rollback waits for, with the facts of now.
pub(super) fn of(waiting: &Waiting, target: &TargetState, policy: &TargetPolicy) -> Hold {
    let freeze = target.frozen.as_ref().filter(|_| waiting.why == HoldReason::Frozen);
    match (freeze, waiting.until) {
        (Some(freeze), _) => frozen(freeze, target),
        (None, until) => budget_spent(policy, until.unwrap_or(waiting.since)),
    }
}

/// The same of a target that may have left the policy: what its budget was is not known then.
pub(crate) fn known(waiting: &Waiting, target: &TargetState, policy: Option<&TargetPolicy>) -> Option<Hold> {
    let freeze = target.frozen.as_ref().filter(|_| waiting.why == HoldReason::Frozen);
    policy.map(|it| of(waiting, target, it)).or_else(|| freeze.map(|it| frozen(it, target)))
}

fn frozen(freeze: &Freeze, target: &TargetState) -> Hold {
    Hold::Frozen { by: freeze.by.clone(), reason: freeze.reason.clone(), target: target.target.clone() }
}

fn budget_spent(policy: &TargetPolicy, until: Timestamp) -> Hold {
    let budget = policy.transitions.budget;
    Hold::Budget { most: budget.automatic_rollbacks, per: format_duration(budget.per), until }
}

/// Starts a rollback, or has it wait. What a person asked for by hand never waits.
pub(super) fn launch(step: &mut Step, rollback: Transition, context: &Context<'_>) {
    if rollback.initiator != ITSELF {
        return run(step, rollback);
    }
    match hold(&step.target, context.policy, context.now) {
        Some(hold) => wait(step, rollback, &hold, context),
        None => {
            spend(&mut step.target, context);
            run(step, rollback);
        }
    }
}

/// One more of the budget.
fn spend(target: &mut TargetState, context: &Context<'_>) {
    let since = context.now.minus(context.policy.transitions.budget.per);
    target.automatic_rollbacks.retain(|at| *at > since);
    target.automatic_rollbacks.push(context.now);
}

fn wait(step: &mut Step, mut rollback: Transition, hold: &Hold, context: &Context<'_>) {
    rollback.state = TransitionState::Waiting;
    rollback.started_at = None;
    if let Some(incident) = step.incident.as_mut() {
        incident.rollback = Some(rollback.clone());
    }
    step.hop(context.now, Hop::RollbackWaiting { transition: rollback.id, hold: hold.clone() });
    step.target.stage = Stage::Waiting(Waiting {
        rollback,
        why: why(hold),
        since: context.now,
        until: until(hold),
        detail: words::hold(hold),
    });
    resume_collecting(step);
}

/// Looks again at what waits: it starts, or waits for something else now.
fn look_again(step: &mut Step, context: &Context<'_>) {
    let Stage::Waiting(before) = step.target.stage.clone() else { return };
    let Some(hold) = hold(&step.target, context.policy, context.now) else {
        return start(step, &before.rollback, context);
    };
    let other = why(&hold) != before.why;
    if other {
        let transition = before.rollback.id;
        step.hop(context.now, Hop::RollbackWaiting { transition, hold: hold.clone() });
    }
    let (why, until, detail) = (why(&hold), until(&hold), words::hold(&hold));
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
    if let Some(incident) = step.incident.as_mut() {
        incident.rollback = Some(rollback.clone());
    }
    step.hop(context.now, Hop::RollbackReleased { transition: rollback.id });
    spend(&mut step.target, context);
    run(step, rollback);
}

/// Where the budget is spent a person has to be found: the page is raised and the escalation channel told.
pub(super) fn ask_person(step: &mut Step, context: &Context<'_>) {
    if waiting(&step.target).is_some_and(|it| it.why == HoldReason::Budget) {
        *step = incident::escalate(step.clone(), NoticeKind::RollbackWaiting, context);
    }
}

/// Time has passed.
pub(super) fn tick(step: &mut Step, context: &Context<'_>) {
    if waiting(&step.target).is_some_and(|it| it.until.is_some_and(|until| until <= context.now)) {
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
        Stage::Promoting(_) => cancel_waiting_promotion(&mut step, context),
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
        Stage::Promoting(it) => {
            step.then(Effect::CancelRun(it.id));
            let reason = it.output.clone().unwrap_or_default();
            promotion_failed(step, it, reason, context)
        }
        Stage::RollingBack(it) => {
            suspend(&mut step, it, context);
            step
        }
        _ => step,
    }
}

/// Takes back a rollback whose command is not running, unless a person asked for it.
fn suspend(step: &mut Step, rollback: Transition, context: &Context<'_>) {
    if rollback.initiator != ITSELF {
        return;
    }
    let Some(hold) = hold(&step.target, context.policy, context.now) else { return };
    step.then(Effect::CancelRun(rollback.id));
    step.target.automatic_rollbacks.pop();
    wait(step, rollback, &hold, context);
}

fn tell(step: &mut Step, kind: NoticeKind) {
    let rollback = step.target.stage.transition().filter(|it| it.initiator == ITSELF);
    let command = rollback.filter(|it| it.kind == crate::effects::TransitionKind::Rollback);
    let command = command.map(|it| it.human.clone());
    let waiting = waiting(&step.target).map(|it| it.detail.clone());
    let phase = step.target.phase.clone();
    let priority = String::new();
    step.then(Effect::Notify(Notice {
        kind,
        phase,
        decision: None,
        incident: None,
        priority,
        command,
        waiting,
    }));
}
