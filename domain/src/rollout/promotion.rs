//! What stands between a phase and the next one (PH-2 to PH-5, PH-7), all of it, by name.

use std::time::Duration;

use crate::policy::{AdvanceCondition, PhasePolicy, TargetPolicy};
use shared_types::Timestamp;
use shared_types::decision::{GateProgress, ViolationAction};
use shared_types::problem::Blocker;

use super::approval;
use super::evidence;
use super::incident::NOTICES_KEPT;
use super::state::{Stage, TargetState};
use super::step::{Terms, blocker};

/// Every blocker of the next move up; empty = it may be made.
#[must_use]
pub fn blockers(state: &TargetState, terms: &Terms<'_>) -> Vec<Blocker> {
    let Terms { policy, now, .. } = *terms;
    let mut found = movement_blockers(state);
    found.extend(frozen(state));
    if state.phase.is_completed() {
        found.push(blocker("completed", "the rollout is completed; there is no phase above"));
        return found;
    }
    let Some(phase) = policy.phase(&state.phase) else {
        if !state.phase.is_off() {
            found.push(blocker("unknown_phase", format!("the policy has no phase {}", state.phase)));
        }
        return found;
    };
    gate_blockers(state, policy, now, &mut found);
    alert_blockers(state, phase, now, &mut found);
    found.extend(evidence::blockers(state));
    for role in approval::missing(state, terms) {
        found.push(blocker("approval_missing", role));
    }
    found
}

/// What stops every move up, `start` included: a freeze.
#[must_use]
pub fn frozen(state: &TargetState) -> Option<Blocker> {
    let it = state.frozen.as_ref()?;
    let lift = format!("`phasegate unfreeze --target {}` lifts it", state.target);
    Some(blocker("frozen", format!("by {} since {}: {}; {lift}", it.by, it.at, it.reason)))
}

/// What hinders a move upwards, `start` included: a command under way, one that waits, an open incident.
#[must_use]
pub fn movement_blockers(state: &TargetState) -> Vec<Blocker> {
    let mut found = Vec::new();
    match &state.stage {
        Stage::Idle => {}
        Stage::Promoting(it) | Stage::RollingBack(it) | Stage::Superseded { rollback: it, .. } => {
            found.push(blocker(
                "transition_running",
                format!("{} to {} is under way", it.kind.as_str(), it.to),
            ));
        }
        Stage::Waiting(it) => {
            let detail = format!("the rollback to {} waits: {}", it.rollback.to, it.detail);
            found.push(blocker("rollback_waiting", detail));
        }
        Stage::RollbackFailed(it) => {
            let detail = format!("the rollback to {} failed and waits for a person", it.to);
            found.push(blocker("transition_failed", detail));
        }
    }
    if let Some(incident) = &state.incident {
        found.push(blocker("incident_open", incident.to_string()));
    }
    found
}

fn gate_blockers(state: &TargetState, policy: &TargetPolicy, now: Timestamp, found: &mut Vec<Blocker>) {
    let Some(latest) = &state.latest else {
        found.push(blocker("gate_unsatisfied", "no batch of this epoch has been judged yet"));
        return;
    };
    match &latest.gate {
        Some(gate) if gate.epoch == state.epoch && gate.satisfied => {}
        Some(gate) if gate.epoch == state.epoch => {
            found.push(blocker("gate_unsatisfied", progress(gate)));
        }
        _ => found.push(blocker("gate_unsatisfied", "the analyzer has not reported the gate of this epoch")),
    }
    let oldest = now.minus(freshness(policy));
    if latest.window.end < oldest {
        let detail = format!("the newest judged window ended at {}; a newer one is due", latest.window.end);
        found.push(blocker("gate_stale", detail));
    }
    if latest.action == Some(ViolationAction::Hold) {
        found.push(blocker("hold", "the newest batch violates a metric whose policy is `hold`"));
    }
}

/// How old the end of the newest judged window may be: its successor is judged or overdue after that.
fn freshness(policy: &TargetPolicy) -> Duration {
    let collection = &policy.collection;
    collection.window.max(policy.transitions.recovery_cadence) + collection.grace + collection.delayed_after
}

fn progress(gate: &GateProgress) -> String {
    let reached = match (gate.needed_batches, gate.needed_ms) {
        (Some(needed), _) => format!("{} of {needed} compliant batches in a row", gate.compliant_batches),
        (None, Some(needed)) => {
            format!("{} of {} compliant in a row", span(gate.compliant_ms), span(needed))
        }
        (None, None) => "not satisfied".to_owned(),
    };
    match &gate.broken_by {
        None => reached,
        Some(broken) => {
            let by = broken.metric.as_deref().unwrap_or(broken.cause.as_str());
            format!("{reached}; last broken by {by} in {}", broken.window)
        }
    }
}

/// `23h 45m`, `90s`, `400ms`: two units at most.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn alert_blockers(state: &TargetState, phase: &PhasePolicy, now: Timestamp, found: &mut Vec<Blocker>) {
    if phase.advance.critical_alerts.is_some_and(|allowed| state.alerts > allowed) {
        let detail = format!("{} incidents or pages in this phase", state.alerts);
        found.push(blocker("alerts_in_phase", detail));
    }
    let Some(allowed) = phase.advance.incident_notifications else { return };
    let since = match phase.advance.condition {
        AdvanceCondition::CompliantFor(time) => Some(now.minus(time)),
        AdvanceCondition::CompliantBatches(_) => state.since,
    };
    let recent = state.incident_notices.iter().filter(|at| since.is_none_or(|since| **at >= since)).count();
    // What is not remembered any more may be one too many.
    if u64::try_from(recent).unwrap_or(u64::MAX) > allowed || recent >= NOTICES_KEPT {
        found.push(blocker("incident_notified", format!("{recent} incident notifications in that time")));
    }
}
