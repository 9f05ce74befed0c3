//! What follows from a decision (DE-1 to DE-4, SLO-4, PH-8).

use crate::template::values::worst_metric;
use shared_types::decision::{Cause, ViolationAction};
use shared_types::story::hop::Heard;
use shared_types::story::{Hop, Recovery, WatchFailure};
use shared_types::{Decision, Verdict, Window};

use super::approval;
use super::blocker::Blocker;
use super::effect::{Asked, Effect, Notice, NoticeKind};
use super::ending::cancel_waiting_promotion;
use super::escalation::note_sent;
use super::held::still_held;
use super::opening::{ask_before_escalation, is_notice, make_incident, open};
use super::promotion;
use super::recovery::{recover, recover_unproven};
use super::rollback;
use super::state::{Banner, Drift, ITSELF, Latest, Mitigation, Unproven};
use super::step::{Context, Step};
use super::waiting;
use super::watch::{Coverage, WatchEnd, asks_rollback, blame};
use crate::effects::Severity;

/// Takes a decision. One of another epoch or phase is kept and changes nothing (PH-8).
pub(super) fn apply(mut step: Step, decision: &Decision, context: &Context<'_>) -> Step {
    let target = &step.target;
    if target.lost.is_some_and(|it| it.hold(decision.epoch)) && decision.rollback_required {
        return of_lost_stay(step, decision, context);
    }
    let other_stay = decision.epoch != target.epoch || decision.phase != target.phase;
    // Silence of a time before the stay is not the stay's, whatever it claims; a batch says itself of which stay it is.
    let before_stay =
        decision.cause != Cause::Slo && target.since.is_some_and(|since| decision.window.end < since);
    if other_stay || before_stay || !target.phase.is_gated() {
        step.stale = true;
        if decision.verdict == Verdict::Violation {
            decision_hops(&mut step, decision, context, Hop::DecisionStale);
        }
        return step;
    }
    if matches!(step.target.banner, Banner::OffAt(_)) {
        step.target.banner = Banner::Off;
    }
    let was_unsure = is_unsure(step.target.latest.as_ref());
    keep_latest(&mut step, decision);
    match (decision.verdict, action(decision)) {
        (Verdict::Ok, _) => notify(&mut step, NoticeKind::Ok, decision),
        (Verdict::Warn, _) => notify(&mut step, NoticeKind::Warn, decision),
        (Verdict::Violation, Some(ViolationAction::Hold)) => notify(&mut step, NoticeKind::Hold, decision),
        // JU-4: told once for windows of which each is as unsure as the one before it.
        (Verdict::Unsure, None) if was_unsure => {}
        (Verdict::Unsure, None) => notify(&mut step, NoticeKind::Warn, decision),
        // PH-9: told once when proof has been missing for longer than is tolerated.
        (Verdict::Insufficient, None) if turns_stale(decision, context) => {
            notify(&mut step, NoticeKind::Warn, decision);
        }
        (Verdict::Insufficient, None) if begins_gap(decision, context) => {
            notify(&mut step, NoticeKind::Gap, decision);
        }
        (Verdict::Insufficient, None) => {}
        (Verdict::Violation | Verdict::Unsure | Verdict::Insufficient, action) => {
            violation(&mut step, decision, action, context);
        }
    }
    // TE-6: whatever else is said of the window, once.
    if !decision.vanished.is_empty() {
        notify(&mut step, NoticeKind::Vanished, decision);
    }
    observe(&mut step, decision, context);
    ask_approvals(&mut step, context);
    step
}

/// OP-3: a rollback that was required in a past that is lost here is none the less required. In the phase on record it is made; in
/// another one a person has to look, since nobody knows here what is served.
fn of_lost_stay(mut step: Step, decision: &Decision, context: &Context<'_>) -> Step {
    if decision.phase == step.target.phase && step.target.phase.is_gated() {
        violation(&mut step, decision, action(decision), context);
        return step;
    }
    step.stale = true;
    let Some(lost) = step.target.lost.as_mut().filter(|it| !it.told) else { return step };
    lost.told = true;
    let kind = NoticeKind::RollbackLost { phase: decision.phase.clone(), window: decision.window };
    step.then(Effect::PageNotice(Notice::of(kind.clone(), &step.target.phase)));
    step.tell(kind);
    step
}

/// PH-5: once an epoch and policy version, when approvals are all that is missing, those are asked for who can
/// give them.
fn ask_approvals(step: &mut Step, context: &Context<'_>) {
    let terms = context.terms();
    let state = &step.target;
    let asked = (state.epoch, terms.policy_version.to_owned());
    let blockers = promotion::blockers(state, &terms);
    let all_but_approvals = blockers.iter().all(|it| matches!(it, Blocker::ApprovalMissing { .. }));
    let Some(next) = context.policy.above(&state.phase) else { return };
    if blockers.is_empty() || !all_but_approvals || state.asked.as_ref() == Some(&asked) {
        return;
    }
    let roles = approval::missing(state, &terms);
    let (epoch, policy_version) = asked.clone();
    let kind = NoticeKind::ApprovalAsked(Asked { next, roles, epoch, policy_version });
    let notice = Notice::of(kind, &state.phase);
    step.target.asked = Some(asked);
    step.then(Effect::Notify(notice));
}

/// What the decision asks for; exhausted retries page at least (ES-2).
fn action(decision: &Decision) -> Option<ViolationAction> {
    match (decision.cause, decision.action) {
        (Cause::RetryExhausted, action) => action.max(Some(ViolationAction::Page)),
        (_, action) => action,
    }
}

fn turns_stale(decision: &Decision, context: &Context<'_>) -> bool {
    let stale = decision.gate.as_ref().and_then(|gate| gate.stale);
    stale.is_some_and(|stale| stale.windows == context.policy.gate.gaps.tolerated + 1)
}

/// JU-8: the first of the missing windows that pass; told once a gap, and nobody is paged.
fn begins_gap(decision: &Decision, context: &Context<'_>) -> bool {
    let before = decision.evidence.as_ref().and_then(|it| it.run.as_ref()).map_or(0, |run| run.gaps);
    let is_missing = decision.cause == Cause::CollectionDelayed && before == 0;
    is_missing && context.policy.gate.judge.weighs()
}

fn is_unsure(latest: Option<&Latest>) -> bool {
    latest.is_some_and(|it| it.verdict == Verdict::Unsure)
}

fn keep_latest(step: &mut Step, decision: &Decision) {
    if step.target.latest.as_ref().is_some_and(|it| it.window.end > decision.window.end) {
        return;
    }
    step.target.latest = Some(Latest {
        decision: decision.decision_id,
        window: decision.window,
        verdict: decision.verdict,
        action: decision.action,
        metrics: decision.metrics.clone(),
        gate: decision.gate.clone(),
        uncounted: decision.uncounted.clone(),
        decided_at: decision.decided_at,
    });
}

fn notify(step: &mut Step, kind: NoticeKind, decision: &Decision) {
    step.then(Effect::Notify(Notice {
        kind,
        phase: decision.phase.clone(),
        decision: Some(blame(decision)),
        incident: None,
        priority: String::new(),
        command: None,
        waiting: None,
    }));
}

/// DE-3 and DE-4: the first opens an incident, a further one joins it.
fn violation(step: &mut Step, decision: &Decision, action: Option<ViolationAction>, context: &Context<'_>) {
    let rollback = asks_rollback(decision, action);
    let current = step.incident.as_ref().filter(|_| step.target.incident.is_some());
    let mitigation = current.and_then(|it| it.status.mitigation()).cloned();
    match (mitigation, rollback) {
        (None, true) => {
            open(step, blame(decision), Mitigation::RollingBack, context);
            opening_hops(step, decision, context);
            rollback::begin(step, ITSELF, &phrase(decision), context);
            announce(step, NoticeKind::Incident, context);
            waiting::ask_person(step, context);
        }
        (None, false) => {
            let covered_by = if is_notice(decision, context.policy) {
                Coverage::until_compliant()
            } else {
                Coverage::begin(context.policy)
            };
            open(step, blame(decision), Mitigation::Paged(covered_by), context);
            opening_hops(step, decision, context);
            cancel_waiting_promotion(step, context);
            let held = still_held(decision, &step.target, context.policy);
            if let Some(held) = &held {
                step.hop(context.now, Hop::StillHeld(held.clone()));
            }
            announce(step, held.map_or(NoticeKind::Incident, NoticeKind::StillHeld), context);
        }
        // So far it only paged; now something is violated that asks for a rollback.
        (Some(Mitigation::Paged(_)), true) => {
            decision_hops(step, decision, context, Hop::ViolationJoined);
            make_incident(step, Some(blame(decision)), context);
            roll_back_again(step, blame(decision), context);
        }
        (Some(mitigation), _) => {
            decision_hops(step, decision, context, Hop::ViolationJoined);
            if let Mitigation::Paged(_) = mitigation {
                tell_still_held(step, decision, context);
            }
            if !is_notice(decision, context.policy) && step.incident.as_ref().is_some_and(|it| it.notice) {
                make_incident(step, Some(blame(decision)), context);
                if let Some(incident) = step.incident.as_mut() {
                    incident.mitigate(Mitigation::Paged(Coverage::begin(context.policy)));
                    let notice = incident.notice(NoticeKind::Incident, None);
                    step.then(Effect::Notify(notice));
                    note_sent(step, context);
                }
            }
        }
    }
}

/// JU-9g: a hold that does not end is told and paged once more, whatever opened the incident that it joins.
fn tell_still_held(step: &mut Step, decision: &Decision, context: &Context<'_>) {
    let Some(held) = still_held(decision, &step.target, context.policy) else { return };
    let Some(incident) = step.incident.as_ref() else { return };
    let priority = incident.priority.clone();
    let notice = incident.notice(NoticeKind::StillHeld(held.clone()), None);
    let notice = Notice { decision: Some(blame(decision)), ..notice };
    step.hop(context.now, Hop::StillHeld(held));
    step.then(Effect::Notify(notice.clone()));
    step.then(Effect::Page { notice, severity: Severity::Error, priority });
    note_sent(step, context);
}

/// Why, as the rollback's command line says it.
fn phrase(decision: &Decision) -> String {
    format!("{} violation", worst_metric(decision))
}

/// DE-5: each hop up to here, with its own time.
fn opening_hops(step: &mut Step, decision: &Decision, context: &Context<'_>) {
    step.hop(decision.window.end, Hop::BatchWindowEnded { window: decision.window });
    decision_hops(step, decision, context, Hop::DecisionReceived);
    if let Some(incident) = step.target.incident.clone() {
        step.hop(context.now, Hop::IncidentOpened { incident });
    }
}

/// When it was made, and when it was heard here.
fn decision_hops(step: &mut Step, decision: &Decision, context: &Context<'_>, hop: fn(Heard) -> Hop) {
    let Decision { decision_id, window, verdict, cause, .. } = *decision;
    step.hop(decision.decided_at, Hop::Decided { decision: decision_id, window, verdict, cause });
    let heard = Heard {
        decision: decision_id,
        window,
        phase: decision.phase.clone(),
        epoch: decision.epoch,
        violated: decision.violated.clone(),
        cause,
    };
    step.hop(context.now, hop(heard));
}

/// ES-1 and DE-3: the texts of a new incident, its page, and the question asked before it escalates.
fn announce(step: &mut Step, kind: NoticeKind, context: &Context<'_>) {
    let waiting = step.target.waiting().map(|it| it.detail.clone());
    let Some(incident) = step.incident.as_ref() else { return };
    let (notice, priority) = (incident.notice(kind, waiting), incident.priority.clone());
    step.then(Effect::Notify(notice.clone()));
    step.then(Effect::Page { notice, severity: Severity::Error, priority });
    ask_before_escalation(step, context);
    note_sent(step, context);
}

/// A further rollback of the same incident: its texts speak of the newer violation.
fn roll_back_again(step: &mut Step, subject: Box<Decision>, context: &Context<'_>) {
    let reason = phrase(&subject);
    if let Some(incident) = step.incident.as_mut() {
        incident.subject = subject;
    }
    rollback::begin(step, ITSELF, &reason, context);
    let waiting = step.target.waiting().map(|it| it.detail.clone());
    let notice = step.incident.as_ref().map(|it| it.notice(NoticeKind::Incident, waiting));
    if let Some(notice) = notice {
        step.then(Effect::Notify(notice));
        note_sent(step, context);
    }
    waiting::ask_person(step, context);
}

/// Lets the open incident's watch or coverage see the decision.
fn observe(step: &mut Step, decision: &Decision, context: &Context<'_>) {
    if step.opened || step.target.incident.is_none() {
        return;
    }
    // RB-11: healthy windows say nothing of users who should not have it; that one ends with its drift.
    let about_drift = step.target.served.drift.is_some()
        && step.incident.as_ref().is_some_and(|it| Drift::is_subject(&it.subject));
    let Some(mitigation) = step.incident.as_mut().and_then(|it| it.status.mitigation_mut()) else { return };
    match mitigation {
        Mitigation::RollingBack => {}
        Mitigation::Paged(coverage) => {
            if coverage.observe(decision) && !about_drift {
                recover(step, Recovery::Covered, context);
            }
        }
        Mitigation::Watching(watch) if watch.epoch == decision.epoch => {
            let end = watch.observe(decision);
            let batch = Hop::WatchBatch {
                decision: decision.decision_id,
                window: decision.window,
                verdict: decision.verdict,
                compliant: watch.compliant,
                violations: watch.violations,
            };
            step.hop(context.now, batch);
            match end {
                None => {}
                Some(WatchEnd::Recovered) => recover(step, Recovery::Watched, context),
                Some(WatchEnd::Unrecovered) => watch_failed(step, context),
                Some(WatchEnd::Unproven) => recover_unproven(step, about_nothing_violated(decision), context),
            }
        }
        Mitigation::Watching(_) => {}
    }
}

/// What a person is paged about that violates nothing.
fn about_nothing_violated(decision: &Decision) -> Box<Decision> {
    let (action, violated) = (Some(ViolationAction::Page), Vec::new());
    Box::new(Decision { action, violated, rollback_required: false, ..*blame(decision) })
}

/// JU-11, JU-17: a notice about a recovery that is not proven.
pub(super) fn page_unproven(step: &mut Step, context: &Context<'_>) {
    if step.incident.is_some() || step.target.incident.is_some() {
        return;
    }
    let Some(Unproven { incident, decision }) = step.target.unproven.take() else { return };
    let window = decision.window;
    open(step, decision, Mitigation::Paged(Coverage::until_compliant()), context);
    step.hop(window.end, Hop::BatchWindowEnded { window });
    if let Some(incident) = step.target.incident.clone() {
        step.hop(context.now, Hop::IncidentOpened { incident });
    }
    announce(step, NoticeKind::Unproven { incident }, context);
}

/// Nothing was heard until the deadline of a watch. By evidence that is not the version's doing (JU-8), unless the policy
/// takes it back when blind.
pub(super) fn watch_unheard(step: &mut Step, context: &Context<'_>) {
    let gate = &context.policy.gate;
    let incident = step.incident.as_ref();
    let blamed = incident.and_then(|it| it.status.watch()).is_some_and(|watch| watch.blame.is_some());
    if !gate.judge.weighs() || blamed || gate.gaps.blind == ViolationAction::Rollback {
        return watch_failed(step, context);
    }
    let Some(opening) = incident.map(|it| about_nothing_violated(&it.subject)) else { return };
    let window = Window { start: opening.window.end, end: context.now };
    let (phase, epoch) = (step.target.phase.clone(), step.target.epoch);
    let (cause, verdict) = (Cause::CollectionDelayed, Verdict::Insufficient);
    let unheard = Decision { phase, epoch, window, cause, verdict, decided_at: context.now, ..*opening };
    recover_unproven(step, Box::new(unheard), context);
}

/// RB-6: the watch ended unrecovered, so the next step down follows; unless all that was violated only pages.
fn watch_failed(step: &mut Step, context: &Context<'_>) {
    let Some(incident) = step.incident.as_mut() else { return };
    let Some(watch) = incident.status.watch() else { return };
    let silent = watch.blame.is_none();
    let violated = watch.violations > 0;
    let rollback = silent || watch.rollback_asked;
    let subject = watch.blame.clone().unwrap_or_else(|| incident.subject.clone());
    if !rollback {
        incident.mitigate(Mitigation::Paged(Coverage::begin(context.policy)));
    }
    let how = match (silent, violated) {
        (true, _) => WatchFailure::Silent,
        (false, true) => WatchFailure::Violated,
        (false, false) => WatchFailure::OverLimit,
    };
    step.hop(context.now, Hop::WatchFailed { how });
    if rollback {
        roll_back_again(step, subject, context);
    }
}
