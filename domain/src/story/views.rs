//! Stored state as the API and the dashboard show it. Pure.

use std::time::Duration;

use crate::policy::{PhasePolicy, TargetPolicy};
use shared_types::dashboard::{DashboardPhase, DashboardTarget};
use shared_types::incident::Incident as IncidentView;
use shared_types::rollout::{Rollout, WaitingRollback};
use shared_types::story::LoggedHop;
use shared_types::{TargetVerdict, Timestamp, Verdict};
use uuid::Uuid;

use super::words;
use crate::rollout::stands::stands;
use crate::rollout::verdict::known;
use crate::rollout::{
    Blocker, Drift, Incident, Stage, TargetState, Terms, Transition, approval, evidence, hold, promotion,
};

/// A rollout with everything that stands between it and the next move up (PH-5).
#[must_use]
pub fn rollout(state: &TargetState, terms: &Terms<'_>) -> Rollout {
    let approvals = approval::swept(state, terms);
    let mut blockers = promotion::blockers(state, terms);
    if state.phase.is_off() && state.stage == Stage::Idle {
        blockers.push(Blocker::NotStarted);
    }
    Rollout {
        target: state.target.clone(),
        phase: state.phase.clone(),
        epoch: state.epoch,
        state: state.rollout_state(),
        standing: Some(words::standing(&stands(state, terms, expected_by(state, terms.policy)).now)),
        since: state.since,
        frozen: state.frozen.clone(),
        drift: state.served.drift.as_ref().map(Drift::view),
        rollback_waiting: waiting(state, Some(terms.policy)),
        automatic_rollbacks: hold::budget(state, terms),
        transition: state.newest_transition().map(Transition::view),
        incident: state.incident.clone(),
        gate: state.latest.as_ref().and_then(|it| it.gate.clone()),
        uncounted: state.latest.as_ref().and_then(|it| it.uncounted.clone()),
        approvals_missing: approval::missing(state, terms),
        approvals: approvals.standing,
        approvals_void: approvals.void,
        blockers: words::blockers(&blockers),
        directive: state.directive.clone(),
        given_up: Vec::new(),
    }
}

fn waiting(state: &TargetState, policy: Option<&TargetPolicy>) -> Option<WaitingRollback> {
    let it = state.waiting()?;
    let hold = hold::known(it, state, policy);
    Some(it.view(hold.as_ref().map(crate::stored::plain).unwrap_or_default()))
}

/// Whether it is well, for whoever goes by one word.
///
/// # Errors
/// Why that is not known.
pub fn verdict(state: &TargetState, terms: &Terms<'_>) -> Result<TargetVerdict, Blocker> {
    let known = known(state, terms, expected_by(state, terms.policy))?;
    Ok(TargetVerdict {
        target: state.target.clone(),
        phase: state.phase.clone(),
        epoch: state.epoch,
        verdict: known.verdict,
        ok: known.verdict.is_compliant(),
        insufficient: matches!(known.verdict, Verdict::Insufficient | Verdict::Unsure),
        roll_back: known.roll_back,
        window: known.decision.map(|it| it.window),
        decision_id: known.decision.map(|it| it.decision),
        decided_at: known.decision.map(|it| it.decided_at),
        blockers: words::blockers(&known.blockers),
        incident: state.incident.clone(),
    })
}

/// An incident with its log and its newest rollback as it stands. One whose target left the policy is shown without
/// checklist.
#[must_use]
pub fn incident(
    it: &Incident,
    rollback: Option<&Transition>,
    policy: Option<&TargetPolicy>,
    decisions: Vec<Uuid>,
    timeline: &[LoggedHop],
) -> IncidentView {
    IncidentView {
        id: it.id.clone(),
        target: it.target.clone(),
        phase: it.phase.clone(),
        epoch: it.epoch,
        state: it.state(),
        notice: it.notice,
        unproven: it.unproven,
        metric: it.metric.clone(),
        window: it.window,
        priority: it.priority.clone(),
        opened_at: it.opened_at,
        acknowledged_at: it.acknowledged.as_ref().map(|it| it.at),
        acknowledged_by: it.acknowledged.as_ref().map(|it| it.by.clone()),
        acknowledge_by: it.acknowledge_by,
        acknowledged_in_time: it.acknowledged.as_ref().map(|first| first.at <= it.acknowledge_by),
        escalates_at: it.escalate_at,
        escalated_at: it.escalated_at,
        recovered_at: it.recovered_at,
        closed_at: it.closed_at,
        rollback: rollback.map(Transition::view),
        decisions,
        rca: it.rca.view(&it.id, it.opened_at),
        approver: policy.map(|policy| policy.rca.approver.clone()),
        review: it.review.as_ref().map(crate::rollout::state::Review::view),
        runbook: it.runbook.clone(),
        evidence: policy.map(|policy| evidence::view(it, policy)).unwrap_or_default(),
        timeline: timeline.iter().map(words::entry).collect(),
    }
}

/// A target's cards (DA-1). A target that left the policy is shown without what the policy says of it.
#[must_use]
pub fn dashboard_target(state: &TargetState, terms: Option<&Terms<'_>>) -> DashboardTarget {
    let policy = terms.map(|it| it.policy);
    let latest = state.latest.as_ref();
    let expected_by = policy.and_then(|it| expected_by(state, it));
    let stands = terms.map(|it| stands(state, it, expected_by));
    let phase = |it: &PhasePolicy| DashboardPhase {
        id: it.id.clone(),
        name: it.name.clone(),
        audience_ratio: it.audience_percent / 100.0,
    };
    DashboardTarget {
        target: state.target.clone(),
        title: policy.map(|it| it.title.clone()),
        phases: policy.map(|it| it.phases.iter().map(phase).collect()).unwrap_or_default(),
        phase: state.phase.clone(),
        epoch: state.epoch,
        state: state.rollout_state(),
        standing: stands.as_ref().map(|it| words::standing(&it.now)),
        if_silent: stands.and_then(|it| it.if_silent).map(|it| words::standing(&it)),
        window: latest.map(|it| it.window),
        verdict: latest.map(|it| it.verdict),
        decided_at: latest.map(|it| it.decided_at),
        expected_by,
        rollback_active: state.rollback_active(),
        incident: state.incident.clone(),
        frozen: state.frozen.clone(),
        rollback_waiting: waiting(state, policy),
        transition: state.newest_transition().map(Transition::view),
        watch_until: state.directive.as_ref().and_then(|it| it.until).filter(|_| state.incident.is_some()),
        slos: latest.map(|it| it.metrics.clone()).unwrap_or_default(),
        gate: latest.and_then(|it| it.gate.clone()),
        uncounted: latest.and_then(|it| it.uncounted.clone()),
        approvals_missing: terms.map(|it| approval::missing(state, it)).unwrap_or_default(),
        blockers: terms.map(|it| words::blockers(&promotion::blockers(state, it))).unwrap_or_default(),
        warn_ratio: policy.map(|it| it.gate.warn_ratio),
        given_up: Vec::new(),
    }
}

/// The next window's end, and as long after it as its batch may take before silence becomes an incident. The first
/// window of an epoch begins at the next boundary of the clock, so it may end two windows after the epoch began.
fn expected_by(state: &TargetState, policy: &TargetPolicy) -> Option<Timestamp> {
    let directive = state.directive.as_ref().filter(|it| it.collect && state.phase.is_gated())?;
    let cadence = Duration::from_millis(directive.cadence_ms);
    let window_end = match &state.latest {
        Some(latest) => latest.window.end.plus(cadence),
        None => state.since?.plus(cadence * 2),
    };
    Some(window_end.plus(policy.collection.grace + policy.collection.delayed_after))
}
