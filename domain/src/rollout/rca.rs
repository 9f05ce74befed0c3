//! The root cause analysis of an incident: prepared, submitted, confirmed (GO-1, GO-3).
//!
//! Cause and prevention are a person's. The machine keeps them as they were submitted; the file in which people
//! read and write them is an effect.

use shared_types::story::{Hop, HopKind, InTime};

use super::blocker::Blocker;
use super::effect::{Effect, NoticeKind};
use super::person::same_person;
use super::recovery;
use super::refusal::{Refusal, Rejection};
use super::review;
use super::state::{Confirmation, Finding, Incident, Submission, rca_file};
use super::step::{Context, Step};

/// The file is there, and waits for a person.
pub(super) fn prepared(mut step: Step, mut incident: Incident, context: &Context<'_>) -> Step {
    let first = !std::mem::replace(&mut incident.rca.prepared, true);
    let file = rca_file(&incident.id, incident.opened_at);
    step.incident = Some(incident);
    if first {
        step.hop(context.now, Hop::RcaPrepared { file });
    }
    step
}

/// GO-1. The same again changes nothing; once confirmed, it stays as it was confirmed.
pub(super) fn submit(
    mut step: Step,
    mut incident: Incident,
    by: &str,
    finding: &Finding,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    if incident.rca.submission.as_ref().is_some_and(|it| it.finding == *finding) {
        step.repeated = true;
        step.incident = Some(incident);
        return Ok(step);
    }
    if incident.rca.confirmation.is_some() {
        return Err(Refusal::RcaIsConfirmed { incident: incident.id }.into());
    }
    let (now, rca) = (context.now, &mut incident.rca);
    let earlier = rca.submission.take().map(|it| it.finding);
    rca.submission = Some(Submission { by: by.to_owned(), at: now, finding: finding.clone(), earlier });
    rca.first_submitted_at.get_or_insert(now);
    rca.remind_at = None;
    let how = if now > rca.due_at { InTime::Late } else { InTime::InTime };
    review::rca_came(&mut incident);
    step.incident = Some(incident);
    step.hop(now, Hop::RcaSubmitted { how, by: by.to_owned(), link: finding.link.clone() });
    Ok(step)
}

/// GO-3: who, when and comment, and by another person than the one who wrote it; what was `read` is what was submitted,
/// where it is said. It makes an undecided review void; with the recovery it closes the incident (ES-4).
pub(super) fn confirm(
    mut step: Step,
    mut incident: Incident,
    by: &str,
    comment: &str,
    read: Option<&str>,
    context: &Context<'_>,
) -> Result<Step, Rejection> {
    let Some(submission) = &incident.rca.submission else {
        let missing = Blocker::RcaMissing { incident: incident.id };
        return Err(Rejection::blocked(Refusal::RcaMissing, vec![missing]));
    };
    if same_person(&submission.by, by) {
        let own = Blocker::FourEyes { by: submission.by.clone() };
        return Err(Rejection::blocked(Refusal::OwnRca, vec![own]));
    }
    let hash = submission.finding.hash();
    if let Some(read) = read.filter(|it| !is_beginning(it, &hash)) {
        return Err(Refusal::RcaChanged { incident: incident.id, read: read.to_owned(), hash }.into());
    }
    let first = incident.rca.confirmation.is_none();
    if first {
        let (by, comment) = (by.to_owned(), comment.to_owned());
        incident.rca.confirmation = Some(Confirmation { by, at: context.now, comment, hash: Some(hash) });
    }
    step.incident = Some(incident);
    step.repeated = !first;
    if first {
        step.hop(context.now, Hop::RcaConfirmed { by: by.to_owned(), comment: comment.to_owned() });
        review::rca_confirmed(&mut step, context);
    }
    recovery::close_if_done(&mut step, context);
    Ok(step)
}

/// `sha256:` and twelve digits are enough to name one of a few texts.
fn is_beginning(read: &str, hash: &str) -> bool {
    const SHORTEST: usize = "sha256:".len() + 12;
    read.len() >= SHORTEST && hash.starts_with(read)
}

/// When three quarters of the time have passed: once, in the incident's own channel.
pub(super) fn remind_if_due(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut().filter(|it| !it.notice) else { return };
    if incident.rca.remind_at.is_none_or(|at| at > context.now) {
        return;
    }
    incident.rca.remind_at = None;
    let due_at = incident.rca.due_at;
    // Where the clock has run past both, the review says it all.
    if due_at <= context.now {
        return;
    }
    let notice = incident.notice(NoticeKind::RcaReminder { due_at }, None);
    step.hop(context.now, Hop::RcaReminded { due_at });
    step.then(Effect::Notify(notice));
}

/// The file follows what its readers would look for; everything else waits for the next such hop.
const TELLING: [HopKind; 12] = [
    HopKind::Acknowledged,
    HopKind::Escalated,
    HopKind::PhaseChanged,
    HopKind::RollbackFailed,
    HopKind::WatchStarted,
    HopKind::WatchFailed,
    HopKind::Recovered,
    HopKind::RcaSubmitted,
    HopKind::RcaConfirmed,
    HopKind::ReviewOpened,
    HopKind::ReviewDecided,
    HopKind::Closed,
];

/// Has the file written or brought up to date, if this step has something to tell.
pub(super) fn keep_file(step: &mut Step) {
    let Some(incident) = step.incident.as_ref().filter(|it| !it.notice) else { return };
    let tells = step.timeline.iter().any(|it| TELLING.contains(&HopKind::from(&it.hop)));
    if step.to_explain || tells {
        let effect = Effect::WriteRca { incident: incident.id.clone(), prepare: step.to_explain };
        step.then(effect);
    }
}
