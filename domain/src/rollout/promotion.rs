//! What stands between a phase and the next one (PH-2 to PH-5, PH-7), all of it, by name.

use std::time::Duration;

use crate::gate::metric::count::Count;
use crate::policy::{AdvanceCondition, MetricPolicy, PhasePolicy, TargetPolicy};
use crate::story::figures::{format_duration, format_number, format_share};
use crate::story::visible::last_lines;
use shared_types::Timestamp;
use shared_types::Verdict;
use shared_types::decision::{GateProgress, Stale, StayOver, ViolationAction};
use shared_types::rollout::{TransitionKind, TransitionState};

use super::approval;
use super::blocker::{Blocker, Reached};
use super::evidence;
use super::hold;
use super::state::{NOTICES_KEPT, Stage, TargetState};
use super::step::Terms;
use super::watch::millis;

/// Every blocker of the next move up; empty = it may be made.
#[must_use]
pub fn blockers(state: &TargetState, terms: &Terms<'_>) -> Vec<Blocker> {
    let Terms { policy, now, .. } = *terms;
    let mut found = movement_blockers(state, policy);
    found.extend(frozen(state));
    found.extend(budget_spent(state, terms));
    found.extend(move_failed(state));
    if state.phase.is_completed() {
        found.push(Blocker::Completed);
        return found;
    }
    let Some(phase) = policy.phase(&state.phase) else {
        if !state.phase.is_off() {
            found.push(Blocker::UnknownPhase { phase: state.phase.clone() });
        }
        return found;
    };
    gate_blockers(state, policy, now, &mut found);
    alert_blockers(state, phase, now, &mut found);
    found.extend(evidence::blockers(state));
    found.extend(approval::missing(state, terms).into_iter().map(|role| Blocker::ApprovalMissing { role }));
    found
}

/// What stops every move up, `start` included: a freeze.
#[must_use]
pub fn frozen(state: &TargetState) -> Option<Blocker> {
    let it = state.frozen.as_ref()?;
    let (by, since, reason) = (it.by.clone(), it.at, it.reason.clone());
    Some(Blocker::Frozen { by, since, reason, target: state.target.clone() })
}

/// PH-11: nobody raises exposure while the guard may not act.
#[must_use]
pub fn budget_spent(state: &TargetState, terms: &Terms<'_>) -> Option<Blocker> {
    let until = hold::spent_until(state, terms.policy, terms.now)?;
    let budget = terms.policy.transitions.budget;
    let (most, per) = (budget.automatic_rollbacks, format_duration(budget.per));
    Some(Blocker::RollbackBudgetSpent { most, per, until })
}

/// PH-10: the newest move up of this stay has used up its retries. It stands until another one is asked for, or another phase
/// is reached.
pub(super) fn move_failed(state: &TargetState) -> Option<Blocker> {
    let at_rest = matches!(state.stage, Stage::Idle);
    let ended = state.ended.as_ref().filter(|it| at_rest && it.kind == TransitionKind::Promote)?;
    let failed = ended.state == TransitionState::Failed && ended.epoch == state.epoch;
    let output = ended.output.as_ref().filter(|_| failed && ended.attempts > 0)?;
    Some(Blocker::MoveFailed { to: ended.to.clone(), attempts: ended.attempts, output: last_lines(output) })
}

/// What hinders a move upwards, `start` included: a command under way, one that waits, an open incident.
#[must_use]
pub fn movement_blockers(state: &TargetState, policy: &TargetPolicy) -> Vec<Blocker> {
    let mut found = Vec::new();
    match &state.stage {
        Stage::Idle => {}
        Stage::Promoting(it) | Stage::RollingBack(it) | Stage::Superseded { rollback: it, .. } => {
            found.push(Blocker::TransitionRunning { how: it.kind, to: it.to.clone() });
        }
        Stage::Waiting(it) => {
            let hold = hold::of(it, state, policy);
            found.push(Blocker::RollbackWaiting { to: it.rollback.to.clone(), hold });
        }
        Stage::RollbackFailed(it) => {
            found.push(Blocker::TransitionFailed { to: it.to.clone() });
        }
    }
    if let Some(it) = &state.behind {
        found.push(Blocker::StoreBehind { told_by: it.told_by.clone(), since: it.since });
    }
    if let Some(drift) = &state.served.drift {
        let (served, since) = (drift.served.clone(), drift.since);
        found.push(Blocker::Drifted { phase: state.phase.clone(), served, since });
    }
    if let Some(incident) = &state.incident {
        found.push(Blocker::IncidentOpen { incident: incident.clone() });
    }
    found
}

fn gate_blockers(state: &TargetState, policy: &TargetPolicy, now: Timestamp, found: &mut Vec<Blocker>) {
    let Some(latest) = &state.latest else {
        found.push(unsatisfied(Reached::NotJudged));
        return;
    };
    match &latest.gate {
        Some(gate) if gate.epoch == state.epoch && gate.satisfied => {}
        Some(gate) if gate.epoch == state.epoch => {
            found.push(progress(gate));
        }
        _ => found.push(unsatisfied(Reached::NotReported)),
    }
    let oldest = now.minus(freshness(policy));
    if latest.window.end < oldest {
        found.push(Blocker::GateStale { ended_at: latest.window.end });
    }
    if latest.action == Some(ViolationAction::Hold) {
        found.push(Blocker::Hold);
    }
    if latest.verdict == Verdict::Unsure {
        let unsure = latest.metrics.iter().filter(|it| it.verdict == Verdict::Unsure);
        let unsure = unsure.filter(|it| !it.on_violation.is_advisory());
        found.push(Blocker::Unsure { metrics: unsure.map(|it| it.metric.clone()).collect() });
    }
    let gate = latest.gate.as_ref().filter(|gate| gate.epoch == state.epoch);
    if let Some(Stale { windows, since }) = gate.and_then(|gate| gate.stale) {
        found.push(Blocker::EvidenceStale { windows, since });
    }
    let stay = gate.into_iter().flat_map(|gate| &gate.stay_over);
    found.extend(stay.map(|stay| stay_over(stay, policy)));
}

/// Of a count attempts are milliseconds: its limit is told for a window.
fn stay_over(stay: &StayOver, policy: &TargetPolicy) -> Blocker {
    let StayOver { metric, bad, attempts, allowed, luck: _ } = stay;
    let metric = metric.clone();
    let is_count = |it: &&MetricPolicy| it.name == metric && it.kind.of_kind::<Count>().is_some();
    let (observed, allowed) = if policy.metrics.iter().any(|it| is_count(&it)) {
        let window = policy.collection.window;
        let number = format_number(Some(allowed * millis(window) as f64));
        let span = format_duration(Duration::from_millis(*attempts));
        (format!("{bad}/{span}"), format!("{number}/{}", format_duration(window)))
    } else {
        let share = format_share(*bad as f64 / *attempts as f64);
        (format!("{bad}/{attempts} ({share})"), format_share(*allowed))
    };
    Blocker::StayOverLimit { metric, bad: *bad, attempts: *attempts, observed, allowed }
}

/// How old the end of the newest judged window may be: its successor is judged or overdue after that.
pub(super) fn freshness(policy: &TargetPolicy) -> Duration {
    let collection = &policy.collection;
    collection.window.max(policy.transitions.recovery_cadence) + collection.grace + collection.delayed_after
}

pub(super) fn unsatisfied(reached: Reached) -> Blocker {
    Blocker::GateUnsatisfied { reached, broken_by: None, broken_in: None }
}

fn progress(gate: &GateProgress) -> Blocker {
    let reached = match (gate.needed_batches, gate.needed_ms) {
        (Some(needed), _) => Reached::Batches { reached: gate.compliant_batches, needed },
        (None, Some(needed_ms)) => Reached::Time { reached_ms: gate.compliant_ms, needed_ms },
        (None, None) => Reached::Otherwise,
    };
    let broken = gate.broken_by.as_ref();
    let by = broken.map(|it| it.metric.clone().unwrap_or_else(|| it.cause.as_str().to_owned()));
    Blocker::GateUnsatisfied { reached, broken_by: by, broken_in: broken.map(|it| it.window) }
}

fn alert_blockers(state: &TargetState, phase: &PhasePolicy, now: Timestamp, found: &mut Vec<Blocker>) {
    if phase.advance.critical_alerts.is_some_and(|allowed| state.alerts > allowed) {
        found.push(Blocker::AlertsInPhase { count: state.alerts });
    }
    let Some(allowed) = phase.advance.incident_notifications else { return };
    let since = match phase.advance.condition {
        AdvanceCondition::CompliantFor(time) => Some(now.minus(time)),
        AdvanceCondition::CompliantBatches(_) => state.since,
    };
    let recent = state.incident_notices.iter().filter(|at| since.is_none_or(|since| **at >= since)).count();
    // What is not remembered any more may be one too many.
    let count = u64::try_from(recent).unwrap_or(u64::MAX);
    if count > allowed || recent >= NOTICES_KEPT {
        found.push(Blocker::IncidentNotified { count });
    }
}
