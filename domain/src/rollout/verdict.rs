//! Whether a rollout is well, in the one word that others go by: whoever moves it beside Phasegate, and pipelines.
//!
//! The word is that of the newest window, and never better than what is known besides: a window that was compliant says nothing of
//! an open incident, of a freeze, of what is served. What is not known is no word at all, but why.

use shared_types::decision::ViolationAction;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::{Timestamp, Verdict};

use super::blocker::{Blocker, Reached};
use super::promotion;
use super::standing::Standing;
use super::stands::stands;
use super::state::{Latest, Stage, TargetState, Transition};
use super::step::Terms;

/// What is known of a rollout now.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<'a> {
    pub verdict: Verdict,
    /// To be taken back now by whoever moves it. Not while a rollback waits: neither freeze, budget nor storm are gone round.
    pub roll_back: bool,
    /// The newest decision of the stay; none only where a rollback is told of and no fresh decision is there.
    pub decision: Option<&'a Latest>,
    /// All that stands between now and the next move up.
    pub blockers: Vec<Blocker>,
}

/// See the module. `expected_by`: when the next verdict is there at the latest.
///
/// # Errors
/// Why nothing is known: nothing is judged in this phase, or not yet, or not any more.
pub fn known<'a>(
    state: &'a TargetState,
    terms: &Terms<'_>,
    expected_by: Option<Timestamp>,
) -> Result<Known<'a>, Blocker> {
    let blockers = promotion::blockers(state, terms);
    let decision = decision(state, terms, expected_by, &blockers);
    if state.behind.is_none() && is_taken_back(state, terms) {
        let (verdict, roll_back) = (Verdict::Violation, !matches!(state.stage, Stage::Waiting(_)));
        return Ok(Known { verdict, roll_back, decision: decision.ok(), blockers });
    }
    let decision = decision?;
    let roll_back = decision.action == Some(ViolationAction::Rollback);
    let verdict = match decision.verdict {
        _ if roll_back => Verdict::Violation,
        verdict if verdict.is_compliant() => {
            let standing = stands(state, terms, expected_by).now;
            spoken_against(&standing, &blockers).unwrap_or(verdict)
        }
        verdict => verdict,
    };
    Ok(Known { verdict, roll_back, decision: Some(decision), blockers })
}

/// The newest decision of the stay, if it is one of now.
fn decision<'a>(
    state: &'a TargetState,
    terms: &Terms<'_>,
    expected_by: Option<Timestamp>,
    blockers: &[Blocker],
) -> Result<&'a Latest, Blocker> {
    if state.phase.is_off() {
        return Err(Blocker::NotStarted);
    }
    if let Some(it) = blockers.iter().find(|it| says_unknown(it)) {
        return Err(it.clone());
    }
    let latest = state.latest.as_ref().ok_or_else(|| promotion::unsatisfied(Reached::NotJudged))?;
    if expected_by.is_some_and(|it| it < terms.now) {
        return Err(Blocker::GateStale { ended_at: latest.window.end });
    }
    Ok(latest)
}

/// Of all that is in the way, what means that nothing is known.
fn says_unknown(it: &Blocker) -> bool {
    matches!(
        it,
        Blocker::StoreBehind { .. }
            | Blocker::Completed
            | Blocker::UnknownPhase { .. }
            | Blocker::GateStale { .. }
    )
}

/// A rollback waits, is under way or has failed; or one has ended so lately that whoever looks seldom has not seen it.
fn is_taken_back(state: &TargetState, terms: &Terms<'_>) -> bool {
    // Setting what drifted again is a move to the phase on record: nothing is taken back by it.
    let goes_down = |it: &Transition| it.kind == TransitionKind::Rollback && it.from != it.to;
    match &state.stage {
        Stage::Idle => {
            let ended =
                state.ended.as_ref().filter(|it| it.state == TransitionState::Succeeded && goes_down(it));
            let at = ended.and_then(|it| it.finished_at);
            at.is_some_and(|at| at >= terms.now.minus(promotion::freshness(terms.policy)))
        }
        Stage::Promoting(_) => false,
        Stage::Superseded { rollback: it, .. } | Stage::RollingBack(it) | Stage::RollbackFailed(it) => {
            goes_down(it)
        }
        Stage::Waiting(it) => goes_down(&it.rollback),
    }
}

/// What a compliant window comes to beside all else that is known; none: it stays as it is.
fn spoken_against(standing: &Standing, blockers: &[Blocker]) -> Option<Verdict> {
    // A move that ran when the freeze came, and a whole stay over its limit, are no matter of how it stands.
    let besides = |it: &Blocker| matches!(it, Blocker::Frozen { .. } | Blocker::StayOverLimit { .. });
    match standing {
        Standing::WithoutData { .. } => Some(Verdict::Insufficient),
        Standing::Moving { .. }
        | Standing::Asked { .. }
        | Standing::NearLimit { .. }
        | Standing::Healthy { .. } => blockers.iter().any(besides).then_some(Verdict::Unsure),
        _ => Some(Verdict::Unsure),
    }
}
