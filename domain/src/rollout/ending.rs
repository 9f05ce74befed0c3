//! How a transition ends that did not reach its phase: nothing has changed, and it may be asked for again.

use shared_types::rollout::TransitionState;

use super::effect::Effect;
use super::state::{Stage, Transition};
use super::step::{Context, Step};

/// It has failed; the target remembers it as its newest.
pub(super) fn failed(step: &mut Step, mut it: Transition, context: &Context<'_>) {
    it.fail(context.now);
    step.target.ended = Some(it);
    step.target.stage = Stage::Idle;
}

/// It gives way: its command is not started any more.
pub(super) fn cancelled(step: &mut Step, it: Transition, context: &Context<'_>) {
    step.then(Effect::CancelRun(it.id));
    failed(step, it, context);
}

/// A move up that has not started its command is not worth finishing once something is wrong.
pub(super) fn cancel_waiting_promotion(step: &mut Step, context: &Context<'_>) {
    if let Stage::Promoting(it) = &step.target.stage
        && it.state != TransitionState::Running
    {
        let it = it.clone();
        cancelled(step, it, context);
    }
}
