//! What follows from a command that starts, fails or ends well.

use serde_json::{Map, Value};
use shared_types::decision::ViolationAction;
use shared_types::rollout::{TransitionKind, TransitionState};
use shared_types::story::{Hop, Recovery};
use shared_types::{Directive, PhaseId, Timestamp, Window};

use super::approval;
use super::directive::{direct, next_sequence, resume_collecting, stop_collecting};
use super::effect::{Effect, Notice, NoticeKind};
use super::ending;
use super::escalation::escalate;
use super::opening::{open, undecided};
use super::recovery::recover;
use super::rollback;
use super::state::{Mitigation, NewestRollback, Served, Stage, Transition};
use super::step::{Context, Step};
use super::watch::{Watch, millis};
use crate::executors::Report;

pub(super) fn started(
    mut step: Step,
    mut it: Transition,
    stage: fn(Transition) -> Stage,
    attempt: u32,
    context: &Context<'_>,
) -> Step {
    let first = it.attempts == 0;
    step.target.raise_fence(context.now);
    it.state = TransitionState::Running;
    it.attempts = attempt;
    it.started_at = Some(context.now);
    let hop = Hop::CommandStarted { transition: it.id, attempt, command: it.request.words.clone() };
    step.hop(context.now, hop);
    // RB-12: whatever comes of it, who follows the runbook by hand finds it.
    if first && it.kind == TransitionKind::Rollback {
        step.then(Effect::Notify(rollback_notice(&step, &it)));
    }
    step.target.stage = stage(it);
    step
}

pub(super) fn attempt_failed(
    mut step: Step,
    mut it: Transition,
    stage: fn(Transition) -> Stage,
    reason: &str,
    next: Timestamp,
    context: &Context<'_>,
) -> Step {
    it.state = TransitionState::Requested;
    it.output = Some(reason.to_owned());
    let hop = Hop::CommandFailed { transition: it.id, attempt: it.attempts, next, reason: reason.to_owned() };
    step.hop(context.now, hop);
    step.target.stage = stage(it);
    step
}

/// Enters the next phase up.
pub(super) fn promoted(mut step: Step, it: Transition, report: Report, context: &Context<'_>) -> Step {
    let it = finished(&mut step, it, report, context);
    enter(&mut step, it.to.clone(), context);
    step.target.ended = Some(it);
    step
}

/// RB-5: phase and epoch change, the directive goes out; the watch begins (RB-6).
pub(super) fn rolled_back(mut step: Step, it: Transition, report: Report, context: &Context<'_>) -> Step {
    let it = finished(&mut step, it, report, context);
    enter(&mut step, it.to.clone(), context);
    // A rollback that a review forced may belong to an incident that has recovered: nothing is left to confirm.
    let epoch = step.target.epoch;
    if let Some(incident) = step.open_incident() {
        // A notice that came while a person's rollback ran has nothing to do with it.
        let apart = incident.notice && it.incident.is_none();
        if !apart {
            incident.rollback = Some(NewestRollback::Ended(it.clone()));
        }
        if !it.to.is_gated() {
            recover(&mut step, Recovery::NobodyServed, context);
        } else if !apart {
            let watch = Watch::begin(context.policy, epoch, context.now);
            let hop = Hop::WatchStarted { until: watch.until };
            incident.mitigate(Mitigation::Watching(watch));
            step.hop(context.now, hop);
        }
    }
    step.target.ended = Some(it);
    step
}

fn rollback_notice(step: &Step, it: &Transition) -> Notice {
    let incident = step.incident.as_ref();
    Notice {
        kind: NoticeKind::Rollback(Box::new(it.clone())),
        phase: it.from.clone(),
        decision: incident.map(|it| it.subject.clone()),
        incident: incident.map(|it| it.id.clone()),
        priority: incident.map(|it| it.priority.clone()).unwrap_or_default(),
        command: Some(it.human.clone()),
        waiting: None,
    }
}

/// The hops of a command that ended well.
fn finished(step: &mut Step, mut it: Transition, report: Report, context: &Context<'_>) -> Transition {
    let Report { summary, duration_ms, facts, .. } = &report;
    let (summary, facts) = (summary.clone(), facts.clone());
    step.hop(
        context.now,
        Hop::CommandFinished { transition: it.id, summary, duration_ms: *duration_ms, facts },
    );
    if let Some(phase) = report.verified.clone() {
        step.hop(context.now, Hop::Verified { transition: it.id, phase });
    }
    it.state = TransitionState::Succeeded;
    it.finished_at = Some(context.now);
    it.output = Some(report.detail);
    it.verified = report.verified;
    it
}

/// A detail, and the executor's own figures beside it.
pub(super) fn with_facts(mut detail: Value, facts: &Map<String, Value>) -> Value {
    if let Some(detail) = detail.as_object_mut() {
        for (name, value) in facts {
            detail.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    detail
}

/// Phase and epoch change together; the collector is told. After a move down the cadence is the recovery's.
fn enter(step: &mut Step, phase: PhaseId, context: &Context<'_>) {
    let transitions = &context.policy.transitions;
    let down = matches!(step.target.stage, Stage::RollingBack(_));
    let watched = down && phase.is_gated();
    let directive = Directive {
        target: step.target.target.clone(),
        phase: phase.clone(),
        epoch: step.target.epoch + 1,
        cadence_ms: millis(if watched {
            transitions.recovery_cadence
        } else {
            context.policy.collection.window
        }),
        collect: !phase.is_off(),
        sequence: next_sequence(step),
        until: watched.then(|| context.now.plus(transitions.recovery_watch)),
        since: Some(context.now),
    };
    let target = &mut step.target;
    let from = std::mem::replace(&mut target.phase, phase);
    target.epoch += 1;
    target.since = Some(context.now);
    target.stage = Stage::Idle;
    target.latest = None;
    target.alerts = 0;
    target.unproven = None;
    target.served = Served::default();
    approval::moved(target, context.now);
    let hop = Hop::PhaseChanged { from, to: target.phase.clone(), epoch: target.epoch };
    step.hop(context.now, hop);
    direct(step, directive);
}

/// PH-10: what it left behind is read back at once; the move may be asked for again.
pub(super) fn promotion_failed(
    mut step: Step,
    mut it: Transition,
    reason: String,
    context: &Context<'_>,
) -> Step {
    it.output = Some(reason.clone());
    let (to, attempts) = (it.to.clone(), it.attempts);
    let hop = Hop::MoveFailed { transition: it.id, to: to.clone(), attempts, reason: reason.clone() };
    step.hop(context.now, hop);
    ending::failed(&mut step, it, context);
    step.tell(NoticeKind::MoveFailed { to, attempts, reason });
    step
}

/// RB-4: P1. It stays until a person retries or takes over. One that belonged to no incident opens one, because now
/// somebody has to act. Its phase is still served, so that is measured and judged on (RB-12).
pub(super) fn rollback_failed(
    mut step: Step,
    mut it: Transition,
    reason: String,
    context: &Context<'_>,
) -> Step {
    it.output = Some(reason.clone());
    it.fail(context.now);
    if step.target.incident.is_none() {
        let since_request = Window { start: it.requested_at, end: context.now };
        let about = ("rollback_failed", ViolationAction::Rollback);
        let subject = undecided(&step, about, since_request, context);
        open(&mut step, subject, Mitigation::RollingBack, context);
        it.incident.clone_from(&step.target.incident);
    }
    if let Some(incident) = step.open_incident() {
        incident.rollback = Some(NewestRollback::asked(&it));
    }
    let attempts = it.attempts;
    step.hop(context.now, Hop::RollbackFailed { transition: it.id, attempts, reason: reason.clone() });
    step.target.stage = Stage::RollbackFailed(it);
    resume_collecting(&mut step);
    escalate(&mut step, NoticeKind::RollbackFailed { reason, attempts }, context);
    step
}

/// The superseded command has ended, whichever way: now the rollback may run. The phase never changed, so
/// one phase down is still one phase below where the violation was seen.
pub(super) fn superseded_ended(
    mut step: Step,
    promotion: Transition,
    rollback: Transition,
    context: &Context<'_>,
) -> Step {
    let hop = Hop::PromotionSuperseded { transition: promotion.id, to: promotion.to.clone() };
    step.hop(context.now, hop);
    ending::cancelled(&mut step, promotion, context);
    rollback::launch(&mut step, rollback, context);
    step
}

/// A person has the same command tried again; its outbox row is made ready in the same transaction.
pub(super) fn retried(mut step: Step, mut it: Transition, by: &str, context: &Context<'_>) -> Step {
    it.state = TransitionState::Requested;
    it.finished_at = None;
    step.hop(context.now, Hop::RollbackRetried { transition: it.id, by: by.to_owned() });
    step.target.stage = Stage::RollingBack(it);
    stop_collecting(&mut step);
    step
}
