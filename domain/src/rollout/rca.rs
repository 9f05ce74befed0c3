//! The root cause analysis of an incident: prepared, submitted, confirmed (GO-1, GO-3).
//!
//! Cause and prevention are a person's. The machine keeps them as they were submitted; the file in which people
//! read and write them is an effect.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_types::incident::{Rca as RcaView, RcaState};
use shared_types::story::{Hop, HopKind, InTime};
use shared_types::{IncidentId, Timestamp};

use super::blocker::Blocker;
use super::effect::{Effect, NoticeKind};
use super::incident::{self, Incident};
use super::refusal::{Refusal, Rejection};
use super::review;
use super::step::{Context, Step};

/// Part of an incident's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rca {
    /// The policy's `rca.due` after the opening.
    pub due_at: Timestamp,
    /// When people are reminded; none once that is settled.
    pub remind_at: Option<Timestamp>,
    /// Whether the file has been written.
    pub prepared: bool,
    /// When it was first submitted.
    pub first_submitted_at: Option<Timestamp>,
    /// The newest submission.
    pub submission: Option<Submission>,
    pub confirmation: Option<Confirmation>,
}

/// What a person found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    pub by: String,
    pub at: Timestamp,
    pub finding: Finding,
}

/// Neither cause nor prevention is ever empty: whoever makes one has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub cause: String,
    pub prevention: String,
    /// Where else the analysis is.
    pub link: Option<String>,
}

/// GO-3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    pub by: String,
    pub at: Timestamp,
    pub comment: String,
}

impl Rca {
    /// What is asked for when an incident opens.
    #[must_use]
    pub fn asked(opened_at: Timestamp, due: Duration) -> Self {
        Self {
            due_at: opened_at.plus(due),
            remind_at: Some(opened_at.plus(due * 3 / 4)),
            prepared: false,
            first_submitted_at: None,
            submission: None,
            confirmation: None,
        }
    }

    /// When a tick has something to do for a submission that is still missing.
    #[must_use]
    pub fn next_due(&self, review_open: bool) -> Option<Timestamp> {
        let due = (self.submission.is_none() && !review_open).then_some(self.due_at);
        self.remind_at.into_iter().chain(due).min()
    }

    /// As the API shows it.
    #[must_use]
    pub fn view(&self, incident: &IncidentId, opened_at: Timestamp) -> RcaView {
        let submission = self.submission.as_ref();
        let finding = submission.map(|it| &it.finding);
        let confirmation = self.confirmation.as_ref();
        RcaView {
            state: match (confirmation, submission) {
                (Some(_), _) => RcaState::Confirmed,
                (None, Some(_)) => RcaState::Submitted,
                (None, None) if self.prepared => RcaState::Draft,
                (None, None) => RcaState::Missing,
            },
            due_at: self.due_at,
            file: file(incident, opened_at),
            link: finding.and_then(|it| it.link.clone()),
            cause: finding.map(|it| it.cause.clone()),
            prevention: finding.map(|it| it.prevention.clone()),
            submitted_at: submission.map(|it| it.at),
            submitted_by: submission.map(|it| it.by.clone()),
            in_time: self.first_submitted_at.map(|at| at <= self.due_at),
            confirmed_at: confirmation.map(|it| it.at),
            confirmed_by: confirmation.map(|it| it.by.clone()),
            comment: confirmation.map(|it| it.comment.clone()),
        }
    }
}

/// Where the file is, below the data directory: `reports/rca/<date>-<incident>.md`.
#[must_use]
pub fn file(incident: &IncidentId, opened_at: Timestamp) -> String {
    format!("reports/rca/{}-{incident}.md", opened_at.to_jiff().strftime("%Y-%m-%d"))
}

/// The file is there, and waits for a person.
pub(super) fn prepared(mut step: Step, mut incident: Incident, context: &Context<'_>) -> Step {
    let first = !std::mem::replace(&mut incident.rca.prepared, true);
    let file = file(&incident.id, incident.opened_at);
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
    rca.submission = Some(Submission { by: by.to_owned(), at: now, finding: finding.clone() });
    rca.first_submitted_at.get_or_insert(now);
    rca.remind_at = None;
    let how = if now > rca.due_at { InTime::Late } else { InTime::InTime };
    review::rca_came(&mut incident);
    step.incident = Some(incident);
    step.hop(now, Hop::RcaSubmitted { how, by: by.to_owned(), link: finding.link.clone() });
    Ok(step)
}

/// GO-3: who, when and comment, and by another person than the one who wrote it. It makes an undecided review void;
/// with the recovery it closes the incident (ES-4).
pub(super) fn confirm(
    mut step: Step,
    mut incident: Incident,
    by: &str,
    comment: &str,
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
    let first = incident.rca.confirmation.is_none();
    if first {
        let confirmation = Confirmation { by: by.to_owned(), at: context.now, comment: comment.to_owned() };
        incident.rca.confirmation = Some(confirmation);
    }
    step.incident = Some(incident);
    step.repeated = !first;
    if first {
        step.hop(context.now, Hop::RcaConfirmed { by: by.to_owned(), comment: comment.to_owned() });
        review::rca_confirmed(&mut step, context);
    }
    incident::close_if_done(&mut step, context);
    Ok(step)
}

/// Names as tokens or people give them; nobody becomes two by writing theirs differently.
pub(super) fn same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// When three quarters of the time have passed: once, in the incident's own channel.
pub(super) fn remind_if_due(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
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
    let Some(incident) = step.incident.as_ref() else { return };
    let tells = step.timeline.iter().any(|it| TELLING.contains(&HopKind::from(&it.hop)));
    if step.opened || tells {
        let effect = Effect::WriteRca { incident: incident.id.clone(), prepare: step.opened };
        step.then(effect);
    }
}
