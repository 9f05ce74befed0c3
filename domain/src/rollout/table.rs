//! The rollout machine's transition table, and the passing of time.

use super::approval::{self, Given};
use super::cadence;
use super::claim;
use super::decided;
use super::drift;
use super::event::Event;
use super::evidence;
use super::incident;
use super::loss;
use super::moves::{abort, promote, rollback_by_hand, start};
use super::outcome::{
    attempt_failed, promoted, promotion_failed, retried, rollback_failed, rolled_back, started,
    superseded_ended,
};
use super::promotion;
use super::rca;
use super::refusal::{Refusal, Rejection};
use super::restored;
use super::state::{Banner, Stage};
use super::step::{Aggregate, Context, Step};
use super::waiting;

/// Applies an event. The `match` is the whole table; a pair that is not in it is a rejection.
///
/// # Errors
/// A [`Rejection`] that names everything in the way; the state stays as it is.
pub fn apply(before: &Aggregate, event: Event, context: &Context<'_>) -> Result<Step, Rejection> {
    use Event as E;
    use Stage as S;
    let mut step = Step::from(before);
    approval::sweep(&mut step.target, &context.terms());
    let mut step = match (before.target.stage.clone(), event) {
        (_, E::Decided(decision)) => {
            if let Some(refusal) = claim::implausible(&step.target, &decision, context) {
                return Err(refusal.into());
            }
            let mut step = decided::apply(step, &decision, context);
            evidence::note_exhausted(&mut step, &decision);
            Ok(step)
        }

        (S::Idle, E::Start { by, obstacles }) => start(step, &by, &obstacles, context),
        (S::Idle, E::Promote { by, from }) => promote(step, &by, from.as_ref(), context),
        (S::Idle, E::Approve { by, role, comment, expected }) => {
            let given = Given { by, role, comment };
            approval::approve(step, given, &expected, &context.terms())
        }
        (S::Idle, E::Withdraw { by, role }) => approval::withdraw(step, &by, &role, context.now),
        (_, E::Start { .. } | E::Promote { .. } | E::Approve { .. } | E::Withdraw { .. }) => {
            let mut rejection = blocked_move(&step, context);
            rejection.blockers.extend(promotion::frozen(&step.target));
            Err(rejection)
        }

        (
            S::Idle | S::Promoting(_) | S::Waiting(_) | S::RollbackFailed(_),
            E::Rollback { by, from, reason },
        ) => rollback_by_hand(step, &by, &from, &reason, context),
        (S::RollingBack(_) | S::Superseded { .. }, E::Rollback { from, .. }) => {
            step.check_phase(&from)?;
            Err(blocked_move(&step, context))
        }

        (_, E::Abort { by, reason }) => abort(step, &by, &reason, context),

        (_, E::Freeze { by, reason }) => Ok(waiting::freeze(step, by, reason, context)),
        (_, E::Unfreeze { by, reason }) => Ok(waiting::unfreeze(step, by, reason, context)),

        (S::Promoting(it), E::TransitionStarted { transition, attempt }) if it.id == transition => {
            Ok(started(step, it, S::Promoting, attempt, context))
        }
        (S::RollingBack(it), E::TransitionStarted { transition, attempt }) if it.id == transition => {
            Ok(started(step, it, S::RollingBack, attempt, context))
        }
        (S::Promoting(it), E::TransitionAttemptFailed { transition, reason, next })
            if it.id == transition =>
        {
            let step = attempt_failed(step, it, S::Promoting, &reason, next, context);
            Ok(waiting::after_failure(step, context))
        }
        (S::RollingBack(it), E::TransitionAttemptFailed { transition, reason, next })
            if it.id == transition =>
        {
            let step = attempt_failed(step, it, S::RollingBack, &reason, next, context);
            Ok(waiting::after_failure(step, context))
        }
        (S::Promoting(it), E::TransitionSucceeded { transition, report }) if it.id == transition => {
            Ok(promoted(step, it, report, context))
        }
        (S::RollingBack(it), E::TransitionSucceeded { transition, report }) if it.id == transition => {
            Ok(rolled_back(step, it, report, context))
        }
        (S::Promoting(it), E::TransitionFailed { transition, reason }) if it.id == transition => {
            Ok(promotion_failed(step, it, reason, context))
        }
        (S::RollingBack(it), E::TransitionFailed { transition, reason }) if it.id == transition => {
            Ok(rollback_failed(step, it, reason, context))
        }
        (
            S::Superseded { promotion, rollback },
            E::TransitionAttemptFailed { transition, .. }
            | E::TransitionSucceeded { transition, .. }
            | E::TransitionFailed { transition, .. }
            | E::TransitionSkipped { transition },
        ) if promotion.id == transition => Ok(superseded_ended(step, promotion, rollback, context)),
        (S::RollbackFailed(it), E::TransitionRetried { transition, by }) if it.id == transition => {
            Ok(retried(step, it, &by, context))
        }
        (
            _,
            E::TransitionStarted { transition, .. }
            | E::TransitionAttemptFailed { transition, .. }
            | E::TransitionSucceeded { transition, .. }
            | E::TransitionFailed { transition, .. }
            | E::TransitionSkipped { transition }
            | E::TransitionRetried { transition, .. },
        ) => Err(Refusal::TransitionSuperseded { transition }.into()),

        (
            _,
            event @ (E::Acknowledged { .. }
            | E::PageResolved { .. }
            | E::RcaPrepared
            | E::RcaSubmitted { .. }
            | E::RcaConfirmed { .. }
            | E::ReviewDecided { .. }
            | E::EvidenceChecked { .. }
            | E::EvidenceSigned(_)
            | E::EvidenceTaskDone { .. }),
        ) => incident::apply(step, &event, context),
        (_, E::ServedRead { epoch, looked }) => Ok(drift::read(step, epoch, looked, context)),
        (_, E::PolicyChanged) => Ok(cadence::policy_changed(step, context)),
        (_, E::GivenUp(it)) => Ok(loss::given_up(step, &it, context)),
        (_, E::NeighbourAhead { by, epoch, sequence }) => {
            Ok(restored::neighbour_ahead(step, by, (epoch, sequence), context))
        }
        (_, E::StoreAccepted { .. }) => Ok(restored::accepted(step, context)),
        (_, E::Tick) => Ok(tick(step, context)),
    }?;
    rca::keep_file(&mut step);
    evidence::remember(&mut step, context.policy);
    Ok(step)
}

fn blocked_move(step: &Step, context: &Context<'_>) -> Rejection {
    let blockers = promotion::movement_blockers(&step.target, context.policy);
    Rejection::blocked(Refusal::MoveUnderWay, blockers)
}

/// Whatever is due: the banner, the escalation, the root cause analysis, the end of a watch that nothing confirmed.
fn tick(mut step: Step, context: &Context<'_>) -> Step {
    if matches!(step.target.banner, Banner::OffAt(at) if at <= context.now) {
        step.target.banner = Banner::Off;
    }
    waiting::tick(&mut step, context);
    incident::pass_time(&mut step, context);
    let watch = step.incident.as_ref().and_then(|it| it.status.watch());
    if watch.is_some_and(|watch| watch.expired(context.now)) {
        decided::watch_unheard(&mut step, context);
    }
    decided::page_unproven(&mut step, context);
    step
}
