//! Drift: a flag system that serves another phase than the one on record (RB-11).
//!
//! Whoever reads it back ([`Event::ServedRead`](super::Event)) does so in every window while nothing moves. People are told at
//! once and moving up is blocked; more users than the record says are exposure nobody approved, so that pages too. With
//! `on_drift: correct` the phase on record is set again, as a move from it to itself.

use shared_types::decision::ViolationAction;
use shared_types::rollout::TransitionKind;
use shared_types::story::{Hop, Recovery};
use shared_types::{Epoch, Window};

use super::command::{self, Request};
use super::effect::{Effect, NoticeKind};
use super::event::Looked;
use super::opening::{ask_before_escalation, open, raise_page, undecided};
use super::recovery::recover;
use super::state::{Drift, ITSELF, Mitigation, Stage, Unread};
use super::step::{Context, Step};
use super::watch::Coverage;
use crate::policy::{OnDrift, TargetPolicy};

/// What is on record now, as somebody looks at it: nothing is read back while a command may be changing it.
pub(super) fn read(mut step: Step, epoch: Epoch, looked: Looked, context: &Context<'_>) -> Step {
    if epoch != step.target.epoch || !step.target.stage.is_at_rest() {
        return step;
    }
    match looked {
        Looked::AsRecorded => as_recorded(&mut step, context),
        Looked::Other { served } => drifted(&mut step, served, context),
        Looked::Unread { since, reason } => unread(&mut step, Unread { since, reason }),
    }
    step
}

fn as_recorded(step: &mut Step, context: &Context<'_>) {
    let before = std::mem::take(&mut step.target.served);
    let Some(drift) = before.drift else { return };
    step.tell(NoticeKind::DriftOver { served: drift.served.clone(), since: drift.since });
    let is_its_own = step.open_incident().is_some_and(|it| Drift::is_subject(&it.subject));
    step.hop(context.now, Hop::DriftOver { phase: step.target.phase.clone() });
    if is_its_own {
        recover(step, Recovery::Restored, context);
    }
}

fn unread(step: &mut Step, unread: Unread) {
    if step.target.served.unread.is_none() {
        step.tell(NoticeKind::ServedUnread { since: unread.since, reason: unread.reason.clone() });
    }
    step.target.served.unread = Some(unread);
}

fn drifted(step: &mut Step, served: String, context: &Context<'_>) {
    step.target.served.unread = None;
    if step.target.served.drift.as_ref().is_some_and(|it| it.served == served) {
        return;
    }
    let phase = step.target.phase.clone();
    let recorded = context.policy.audience_percent(&phase);
    let upward = share_of(context.policy, &served).is_none_or(|share| share > recorded);
    let drift = Drift { served: served.clone(), since: context.now, upward };
    step.target.served.drift = Some(drift.clone());
    let corrects = context.policy.transitions.on_drift == OnDrift::Correct
        && step.target.frozen.is_none()
        && matches!(step.target.stage, Stage::Idle);
    let kind = NoticeKind::Drifted { served: served.clone(), recorded, upward, corrects };
    if upward {
        page(step, kind.clone(), context);
    }
    step.hop(context.now, Hop::Drifted { phase, served });
    step.tell(kind);
    if corrects {
        correct(step, &drift, context);
    }
}

/// Which share of users something read back means: that of the phase it names, or a percentage in it.
#[must_use]
pub fn share_of(policy: &TargetPolicy, served: &str) -> Option<f64> {
    let phase = shared_types::PhaseId::parse(served).ok().filter(|it| policy.position(it).is_some());
    if let Some(phase) = phase {
        return Some(policy.audience_percent(&phase));
    }
    let before_sign = served.split('%').next().unwrap_or_default().trim_end();
    let number = before_sign.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    let whole = served.contains('%') || number == served.trim();
    number.parse().ok().filter(|share: &f64| whole && (0.0..=100.0).contains(share))
}

/// A person is called. Where an incident is open already its page tells of it too.
fn page(step: &mut Step, kind: NoticeKind, context: &Context<'_>) {
    if step.target.incident.is_some() {
        return raise_page(step, kind, context);
    }
    let seen = Window { start: context.now, end: context.now };
    let subject = undecided(step, (Drift::METRIC, ViolationAction::Page), seen, context);
    open(step, subject, Mitigation::Paged(Coverage::until_compliant()), context);
    if let Some(incident) = step.target.incident.clone() {
        step.hop(context.now, Hop::IncidentOpened { incident });
    }
    raise_page(step, kind, context);
    ask_before_escalation(step, context);
}

/// The phase on record is set again. It takes nothing of the budget: nothing moves that the record does not say.
fn correct(step: &mut Step, drift: &Drift, context: &Context<'_>) {
    let kind = if drift.upward { TransitionKind::Rollback } else { TransitionKind::Promote };
    let incident = step.target.incident.clone();
    let to = step.target.phase.clone();
    let reason = format!("drift: {} was served", drift.served);
    let request = Request { kind, to, initiator: ITSELF, reason: &reason, incident: incident.as_ref() };
    let mut again = command::transition(&step.target, &request, context);
    again.human.clone_from(&again.request.words);
    if let Some(incident) = step.open_incident().filter(|_| kind == TransitionKind::Rollback) {
        incident.roll_back(&again);
        incident.rollbacks += 1;
    }
    step.target.stage = match kind {
        TransitionKind::Promote => Stage::Promoting(again.clone()),
        TransitionKind::Rollback => Stage::RollingBack(again.clone()),
    };
    step.then(Effect::Run(again));
}
