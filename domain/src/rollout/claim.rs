//! What a decision may claim, held against what the rollout has told (OP-4).
//!
//! One of an older epoch is stale and kept (PH-8). One of an epoch that never began, or of time that has not passed, is
//! nobody's honest mistake: it is refused, and the refusal is heard. One of an epoch a little beyond ours was begun by this
//! reporter in a past that its store does not hold any more (OP-3): it waits.

use std::time::Duration;

use shared_types::Decision;

use crate::gate::LONGEST_WINDOW;

use super::refusal::Refusal;
use super::restored;
use super::state::TargetState;
use super::step::Context;

/// How far other clocks may be ahead of ours. The analyzer has held the window against its own already; were ours behind by
/// more than a minute, a decision that is lost would be worse than one that seems early.
const CLOCK_SKEW: Duration = Duration::from_hours(1);

/// Why a decision cannot be so, if it cannot.
pub(super) fn implausible(
    state: &TargetState,
    decision: &Decision,
    context: &Context<'_>,
) -> Option<Refusal> {
    let target = state.target.clone();
    let (asked, ends) = (decision.epoch, decision.window.end);
    if asked > state.epoch.saturating_add(restored::BEYOND) {
        return Some(Refusal::EpochToCome { target, asked, epoch: state.epoch });
    }
    if asked > state.epoch {
        return Some(Refusal::StoreBehind { target, asked, epoch: state.epoch });
    }
    let collection = &context.policy.collection;
    if ends > context.now.plus(collection.window + collection.grace + CLOCK_SKEW) {
        return Some(Refusal::WindowToCome { target, ends });
    }
    (decision.window.length() > LONGEST_WINDOW).then_some(Refusal::WindowTooLong { target, ends })
}
