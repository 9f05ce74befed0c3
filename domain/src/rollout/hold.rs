//! What keeps a required rollback from starting by itself: a freeze, and the budget of such rollbacks.

use crate::policy::TargetPolicy;
use shared_types::Timestamp;
use shared_types::rollout::{AutomaticRollbacks, Freeze, HoldReason};
use shared_types::story;

use super::state::{TargetState, Waiting};
use super::step::{Context, Terms};
use super::watch::millis;
use crate::story::figures::format_duration;

/// What a rollback waits for.
pub(super) type Hold = story::Hold;

pub(super) fn why(hold: &Hold) -> HoldReason {
    match hold {
        Hold::Frozen { .. } => HoldReason::Frozen,
        Hold::Budget { .. } => HoldReason::Budget,
        Hold::Storm { .. } => HoldReason::Storm,
    }
}

/// When it starts by itself at the latest, if by itself.
pub(super) fn until(hold: &Hold) -> Option<Timestamp> {
    match hold {
        Hold::Frozen { .. } | Hold::Storm { .. } => None,
        Hold::Budget { until, .. } => Some(*until),
    }
}

/// What keeps the next rollback from starting by itself now.
pub(super) fn hold(target: &TargetState, policy: &TargetPolicy, now: Timestamp) -> Option<Hold> {
    if let Some(freeze) = &target.frozen {
        return Some(frozen(freeze, target));
    }
    Some(budget_spent(policy, spent_until(target, policy, now)?))
}

/// Until when no further one may start by itself, if as many have as may.
pub(super) fn spent_until(target: &TargetState, policy: &TargetPolicy, now: Timestamp) -> Option<Timestamp> {
    let budget = policy.transitions.budget;
    let most = usize::try_from(budget.automatic_rollbacks).unwrap_or(usize::MAX);
    let recent = recent(target, policy, now);
    let oldest = recent.len().checked_sub(most).and_then(|at| recent.get(at))?;
    Some(oldest.plus(budget.per))
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

/// What that rollback waits for, with the facts of now.
pub(super) fn of(waiting: &Waiting, target: &TargetState, policy: &TargetPolicy) -> Hold {
    let freeze = target.frozen.as_ref().filter(|_| waiting.why == HoldReason::Frozen);
    match (waiting.why, freeze) {
        (HoldReason::Storm, _) => storm(target),
        (_, Some(freeze)) => frozen(freeze, target),
        (_, None) => budget_spent(policy, waiting.until.unwrap_or(waiting.since)),
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

/// NO-9: it waits for a person.
pub(super) fn storm(target: &TargetState) -> Hold {
    Hold::Storm { target: target.target.clone(), phase: target.phase.clone() }
}

/// One more of the budget.
pub(super) fn spend(target: &mut TargetState, context: &Context<'_>) {
    let since = context.now.minus(context.policy.transitions.budget.per);
    target.automatic_rollbacks.retain(|at| *at > since);
    target.automatic_rollbacks.push(context.now);
}
