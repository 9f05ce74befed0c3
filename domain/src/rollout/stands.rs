//! How a target stands, said once: for the terminal, the page, reports and messages alike.
//!
//! One sentence of the most urgent thing, in a fixed order; what follows it there is told elsewhere. Whatever failed, is not
//! measured, drifted, silent or unsure is never among what is fine.

use shared_types::decision::ViolationAction;
use shared_types::{Timestamp, Verdict};

use super::blocker::Blocker;
use super::promotion;
use super::standing::{Standing, StandingCode};
use super::state::{Stage, TargetState};
use super::step::Terms;
use crate::story::visible::last_lines;

/// How a target stands now, and how it will if nothing is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    pub now: Standing,
    /// Once the next verdict is overdue; none where that changes nothing.
    pub if_silent: Option<Standing>,
}

/// See the module. `expected_by`: when the next verdict is there at the latest.
#[must_use]
pub fn stands(state: &TargetState, terms: &Terms<'_>, expected_by: Option<Timestamp>) -> Stands {
    let now = first(state, terms);
    let is_louder = StandingCode::from(&now) < StandingCode::Silent;
    let Some(expected_by) = expected_by.filter(|_| !is_louder) else {
        return Stands { now, if_silent: None };
    };
    let silent = Standing::Silent { phase: state.phase.clone(), expected_by };
    if expected_by < terms.now {
        Stands { now: silent, if_silent: None }
    } else {
        Stands { now, if_silent: Some(silent) }
    }
}

fn first(state: &TargetState, terms: &Terms<'_>) -> Standing {
    let phase = || state.phase.clone();
    let target = || state.target.clone();
    failed(state)
        .or_else(|| {
            let it = state.behind.clone()?;
            Some(Standing::StoreBehind { phase: phase(), told_by: it.told_by, since: it.since })
        })
        .or_else(|| not_measured(state).then(|| Standing::NotMeasured { phase: phase() }))
        .or_else(|| {
            let incident = state.incident.clone().filter(|_| state.taken_on.is_none())?;
            Some(Standing::IncidentOpen { incident, phase: phase() })
        })
        .or_else(|| {
            let it = state.waiting()?;
            let (to, why) = (it.rollback.to.clone(), it.detail.clone());
            Some(Standing::RollbackWaits { target: target(), phase: phase(), to, why })
        })
        .or_else(|| move_failed(state))
        .or_else(|| {
            let it = state.served.drift.clone()?;
            let (served, since) = (it.served, it.since);
            Some(Standing::Drifted { target: target(), phase: phase(), served, since })
        })
        .or_else(|| {
            let it = state.served.unread.clone()?;
            let reason = last_lines(&it.reason);
            Some(Standing::ServedUnread { phase: phase(), since: it.since, reason })
        })
        .or_else(|| verdict(state))
        .unwrap_or_else(|| quiet(state, terms))
}

fn failed(state: &TargetState) -> Option<Standing> {
    let Stage::RollbackFailed(it) = &state.stage else { return None };
    let output = last_lines(it.output.as_deref().unwrap_or_default());
    let (target, phase) = (state.target.clone(), state.phase.clone());
    Some(Standing::RollbackFailed { target, phase, to: it.to.clone(), attempts: it.attempts, output })
}

fn move_failed(state: &TargetState) -> Option<Standing> {
    let Blocker::MoveFailed { to, attempts, output } = promotion::move_failed(state)? else { return None };
    Some(Standing::MoveFailed {
        target: state.target.clone(),
        phase: state.phase.clone(),
        to,
        attempts,
        output,
    })
}

/// While a command is under way the collector holds its windows on purpose (RB-5).
fn not_measured(state: &TargetState) -> bool {
    let at_rest = matches!(state.stage, Stage::Idle | Stage::Waiting(_) | Stage::RollbackFailed(_));
    let collects = state.directive.as_ref().is_some_and(|it| it.collect);
    state.phase.is_gated() && at_rest && !collects
}

/// What the newest window says that is not compliant.
fn verdict(state: &TargetState) -> Option<Standing> {
    let latest = state.latest.as_ref().filter(|_| state.phase.is_gated())?;
    let phase = state.phase.clone();
    let of = |verdict: Verdict| {
        let named =
            latest.metrics.iter().filter(|it| it.verdict == verdict && !it.on_violation.is_advisory());
        named.map(|it| it.metric.clone()).collect()
    };
    let stale = latest.gate.as_ref().is_some_and(|gate| gate.epoch == state.epoch && gate.stale.is_some());
    match latest.verdict {
        Verdict::Insufficient => Some(Standing::WithoutData { phase }),
        Verdict::Violation if latest.action <= Some(ViolationAction::Hold) || state.incident.is_none() => {
            Some(Standing::Held { phase, metrics: of(Verdict::Violation) })
        }
        Verdict::Unsure => Some(Standing::Unsure { phase, metrics: of(Verdict::Unsure) }),
        Verdict::Ok | Verdict::Warn | Verdict::Violation if stale => Some(Standing::WithoutData { phase }),
        Verdict::Ok | Verdict::Warn | Verdict::Violation => None,
    }
}

/// What is left: nothing is wrong.
fn quiet(state: &TargetState, terms: &Terms<'_>) -> Standing {
    let (target, phase) = (state.target.clone(), state.phase.clone());
    if let Some(it) = state.stage.transition() {
        return Standing::Moving { phase, to: it.to.clone() };
    }
    if let Some(incident) = state.incident.clone() {
        return Standing::Watching { incident, phase, by: state.taken_on.clone().unwrap_or_default() };
    }
    if let Some(it) = &state.frozen {
        return Standing::Frozen { target, phase, by: it.by.clone(), reason: it.reason.clone() };
    }
    if phase.is_off() {
        return Standing::Off;
    }
    if phase.is_completed() {
        return Standing::Completed;
    }
    let blockers = promotion::blockers(state, terms);
    let next = terms.policy.above(&phase);
    if let Some(next) = next.filter(|_| !blockers.iter().any(passes_by_itself)) {
        let role = |it: &Blocker| match it {
            Blocker::ApprovalMissing { role } => Some(role.clone()),
            _ => None,
        };
        let roles = blockers.iter().filter_map(role).collect();
        return Standing::Asked { target, phase, next, roles };
    }
    let Some(latest) = &state.latest else { return Standing::Waiting { phase } };
    if latest.verdict == Verdict::Warn {
        let near = latest.metrics.iter().filter(|it| it.verdict == Verdict::Warn);
        return Standing::NearLimit { phase, metrics: near.map(|it| it.metric.clone()).collect() };
    }
    Standing::Healthy { phase }
}

/// Whether time alone removes it, or the guard itself.
fn passes_by_itself(it: &Blocker) -> bool {
    matches!(
        it,
        Blocker::GateUnsatisfied { .. }
            | Blocker::GateStale { .. }
            | Blocker::NotStarted
            | Blocker::Completed
            | Blocker::TransitionRunning { .. }
    )
}
