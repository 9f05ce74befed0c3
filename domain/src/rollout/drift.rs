//! Drift: a flag system that serves another phase than the one on record (RB-11).
//!
//! Whoever reads it back ([`Event::ServedRead`](super::Event)) does so in every window while nothing moves. People are told at
//! once and moving up is blocked; more users than the record says are exposure nobody approved, so that pages too. With
//! `on_drift: correct` the phase on record is set again, as a move from it to itself.

use shared_types::decision::{Cause, ViolationAction};
use shared_types::rollout::TransitionKind;
use shared_types::story::{Hop, Recovery};
use shared_types::{Decision, Epoch, Verdict, Window};
use uuid::Uuid;

use super::command::{self, Request};
use super::effect::{Effect, Notice, NoticeKind};
use super::escalation::note_sent;
use super::event::Looked;
use super::opening::open;
use super::recovery::recover;
use super::state::{Drift, ITSELF, Mitigation, NewestRollback, Stage, Unread};
use super::step::{Context, Step};
use super::watch::Coverage;
use crate::effects::Severity;
use crate::policy::{OnDrift, TargetPolicy};

/// What a drift is called where metrics are.
pub const DRIFT: &str = "drift";

/// What is on record now, as somebody looks at it: nothing is read back while a command may be changing it.
pub(super) fn read(mut step: Step, epoch: Epoch, looked: Looked, context: &Context<'_>) -> Step {
    let at_rest = matches!(step.target.stage, Stage::Idle | Stage::Waiting(_) | Stage::RollbackFailed(_));
    if epoch != step.target.epoch || !at_rest {
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
    tell(step, NoticeKind::DriftOver { served: drift.served.clone(), since: drift.since });
    let is_its_own = step.open_incident().is_some_and(|it| it.metric == DRIFT);
    step.hop(context.now, Hop::DriftOver { phase: step.target.phase.clone() });
    if is_its_own {
        recover(step, Recovery::Restored, context);
    }
}

fn unread(step: &mut Step, unread: Unread) {
    if step.target.served.unread.is_none() {
        tell(step, NoticeKind::ServedUnread { since: unread.since, reason: unread.reason.clone() });
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
    tell(step, kind);
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
    let opens = step.target.incident.is_none();
    if opens {
        let subject = subject(step, context);
        open(step, subject, Mitigation::Paged(Coverage::until_compliant()), context);
        if let Some(incident) = step.target.incident.clone() {
            step.hop(context.now, Hop::IncidentOpened { incident });
        }
    }
    let Some(incident) = step.open_incident() else { return };
    let (id, priority, opened_at) = (incident.id.clone(), incident.priority.clone(), incident.opened_at);
    let notice = incident.notice(kind, None);
    step.then(Effect::Page { notice, severity: Severity::Error, priority });
    if opens {
        let paging = &context.policy.paging;
        let margin = (paging.escalate_after / 10).min(std::time::Duration::from_secs(30));
        let at = opened_at.plus(paging.escalate_after).minus(margin);
        step.then(Effect::CheckPage { incident: id, at });
    }
    note_sent(step, context);
}

/// What an incident of a drift is about: nothing violates, and the newest figures.
fn subject(step: &Step, context: &Context<'_>) -> Box<Decision> {
    let latest = step.target.latest.as_ref();
    let now = Window { start: context.now, end: context.now };
    Box::new(Decision {
        schema: shared_types::decision::SCHEMA.to_owned(),
        decision_id: Uuid::nil(),
        target: step.target.target.clone(),
        phase: step.target.phase.clone(),
        epoch: step.target.epoch,
        window: latest.map_or(now, |it| it.window),
        verdict: Verdict::Violation,
        rollback_required: false,
        action: Some(ViolationAction::Page),
        cause: Cause::Slo,
        metrics: latest.map(|it| it.metrics.clone()).unwrap_or_default(),
        violated: vec![DRIFT.to_owned()],
        policy_version: String::new(),
        decided_at: context.now,
        uncounted: None,
        vanished: vec![],
        gate: None,
        evidence: None,
    })
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
        incident.rollback = Some(NewestRollback::asked(&again));
        incident.rollbacks += 1;
        incident.mitigate(Mitigation::RollingBack);
    }
    step.target.stage = match kind {
        TransitionKind::Promote => Stage::Promoting(again.clone()),
        TransitionKind::Rollback => Stage::RollingBack(again.clone()),
    };
    step.then(Effect::Run(again));
}

fn tell(step: &mut Step, kind: NoticeKind) {
    let phase = step.target.phase.clone();
    let incident = step.target.incident.clone();
    step.then(Effect::Notify(Notice {
        kind,
        phase,
        decision: None,
        incident,
        priority: String::new(),
        command: None,
        waiting: None,
    }));
}
