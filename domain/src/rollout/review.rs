//! The governance review that opens when a root cause analysis is overdue, and the rollback it may force (GO-2).

use shared_types::incident::{ForcedRollback, Recommendation, ReviewState};
use shared_types::story::{Hop, Ruling as Ruled};

use super::effect::{Effect, NoticeKind};
use super::person::same_person;
use super::promotion;
use super::refusal::{Refusal, Rejection};
use super::rollback;
use super::state::{Incident, Review, Ruling, Stage};
use super::step::{Context, Step};

/// Nothing submitted when it was due: opens once, and says so once.
pub(super) fn open_if_due(step: &mut Step, context: &Context<'_>) {
    let to = context.policy.below(&step.target.phase);
    let Some(incident) = step.incident.as_mut().filter(|it| !it.notice) else { return };
    let due_at = incident.rca.due_at;
    let needless = incident.rca.submission.is_some() || incident.review.is_some();
    if needless || due_at > context.now {
        return;
    }
    let back = to.is_some() && context.policy.rca.overdue_proposes_rollback;
    let recommendation = if back { Recommendation::Rollback } else { Recommendation::Stay };
    incident.review =
        Some(Review { state: ReviewState::Open, recommendation, opened_at: context.now, ruling: None });
    let mut notice = incident.notice(NoticeKind::ReviewOpened { due_at, to: to.filter(|_| back) }, None);
    notice.phase = step.target.phase.clone();
    step.hop(context.now, Hop::ReviewOpened { how: recommendation, due_at });
    step.then(Effect::Notify(notice));
}

/// A late RCA changes what is recommended; the decision stays with governance.
pub(super) fn rca_came(incident: &mut Incident) {
    if let Some(review) = incident.review.as_mut().filter(|it| it.state == ReviewState::Open) {
        review.recommendation = Recommendation::Stay;
    }
}

/// With the RCA confirmed there is nothing left to decide.
pub(super) fn rca_confirmed(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    let Some(review) = incident.review.as_mut().filter(|it| it.state == ReviewState::Open) else { return };
    review.state = ReviewState::Void;
    step.hop(context.now, Hop::ReviewVoid);
}

/// Governance decides. An approval forces the rollback: no gate, approval or freeze is asked, and the incident may
/// have recovered long ago; only a rollback under way is waited for, because the phase it ends in is not known yet.
pub(super) fn decide(
    mut step: Step,
    incident: Incident,
    (by, approve, comment): (&str, bool, &str),
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let state = incident.review.as_ref().map(|it| it.state);
    match state {
        None => {
            return Err(Refusal::NoReview { incident: incident.id }.into());
        }
        Some(ReviewState::Open) => {}
        Some(decided) => return settled(step, incident, decided, (by, approve, comment)),
    }
    let id = incident.id.clone();
    step.incident = Some(incident);
    let rollback = if approve { Some(force_rollback(&mut step, by, context)?) } else { None };
    let Some(incident) = step.incident.as_mut() else { return Ok(step) };
    if let Some(review) = incident.review.as_mut() {
        review.state = if approve { ReviewState::Approved } else { ReviewState::Declined };
        let (by, comment) = (by.to_owned(), comment.to_owned());
        review.ruling = Some(Ruling { by, at: context.now, comment, rollback: rollback.clone() });
    }
    let kind = NoticeKind::ReviewDecided {
        by: by.to_owned(),
        comment: comment.to_owned(),
        to: rollback.as_ref().map(|it| it.to.clone()),
    };
    let mut notice = incident.notice(kind, None);
    notice.phase = step.target.phase.clone();
    let decided = Hop::ReviewDecided {
        how: if approve { Ruled::Approved } else { Ruled::Declined },
        by: by.to_owned(),
        incident: id,
        comment: comment.to_owned(),
        transition: rollback.map(|it| it.transition),
    };
    step.hop(context.now, decided);
    step.then(Effect::Notify(notice));
    Ok(step)
}

/// The same decision by the same person again is answered as the first time.
fn settled(
    mut step: Step,
    incident: Incident,
    state: ReviewState,
    (by, approve, comment): (&str, bool, &str),
) -> Result<Step, Rejection> {
    let ruling = incident.review.as_ref().and_then(|it| it.ruling.as_ref());
    let same = ruling.is_some_and(|it| same_person(&it.by, by) && it.comment == comment)
        && state == if approve { ReviewState::Approved } else { ReviewState::Declined };
    if same {
        step.repeated = true;
        step.incident = Some(incident);
        return Ok(step);
    }
    let (by, at) = (ruling.map(|it| it.by.clone()), ruling.map(|it| it.at));
    let incident = incident.id;
    Err(match state {
        ReviewState::Void => Refusal::ReviewVoid { incident },
        _ => Refusal::ReviewDecided { incident, by, at },
    }
    .into())
}

/// Exactly one phase down from where the target is now, through the same executor as every rollback.
fn force_rollback(step: &mut Step, by: &str, context: &Context<'_>) -> Result<ForcedRollback, Rejection> {
    if let Stage::RollingBack(_) | Stage::Superseded { .. } = step.target.stage {
        let blockers = promotion::movement_blockers(&step.target, context.policy);
        return Err(Rejection::blocked(Refusal::RollbackUnderWay, blockers));
    }
    let (target, from) = (&step.target.target, step.target.phase.clone());
    if context.policy.below(&from).is_none() {
        return Err(Refusal::NothingToForce { target: target.clone(), phase: from }.into());
    }
    let incident = step.incident.as_ref().map(|it| it.id.to_string()).unwrap_or_default();
    rollback::begin(step, by, &format!("RCA of {incident} overdue"), context);
    let forced = step.target.stage.transition();
    let forced =
        forced.map(|it| ForcedRollback { transition: it.id, from: it.from.clone(), to: it.to.clone() });
    forced.ok_or_else(|| Refusal::NothingBelow { phase: from }.into())
}
