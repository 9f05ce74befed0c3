//! A hold that does not end: something outside is as bad as the feature for so long that a person looks again (JU-9g).

use shared_types::decision::Held;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::story::StillHeld;
use shared_types::{Decision, Timestamp};

use super::opening::is_notice;
use super::state::{TargetState, Transition};
use super::watch::millis;
use crate::gate::{HELD_LONG, is_held};
use crate::policy::TargetPolicy;

const MINUTE_MS: u64 = 60_000;

/// What is told of a hold that has lasted long enough to ask a person once more; none of any other page.
pub(super) fn still_held(
    decision: &Decision,
    target: &TargetState,
    policy: &TargetPolicy,
) -> Option<StillHeld> {
    if !is_notice(decision, policy) || !decision.metrics.iter().any(is_held) {
        return None;
    }
    let held = decision.evidence.as_ref()?.run.as_ref()?.held?;
    let Held { in_a_row, since, .. } = held;
    if in_a_row + 1 != HELD_LONG {
        return None;
    }
    let moved = target.ended.as_ref().filter(|it| began(it, target));
    Some(StillHeld {
        windows: HELD_LONG,
        from: moved.map(|it| it.from.clone()),
        to: moved.map(|it| it.to.clone()),
        before_ms: moved.and_then(|it| it.finished_at).map(|at| whole_minutes(at, since)),
    })
}

/// Whether it is the move up that the present stay began with.
fn began(it: &Transition, target: &TargetState) -> bool {
    it.kind == TransitionKind::Promote
        && it.state == TransitionState::Succeeded
        && it.epoch + 1 == target.epoch
}

fn whole_minutes(from: Timestamp, to: Timestamp) -> u64 {
    millis(to.since(from)) / MINUTE_MS * MINUTE_MS
}
