//! Approvals of the next move up (PH-2 to PH-5): who gave which, and when they stop counting.
//!
//! An approval is bound to target, phase, epoch and policy version; where one of these is another now, it is
//! void. Two roles asked for are two people: who has approved in one role cannot approve in another as well.
//! Nobody approves alone what they asked for.

use shared_types::Timestamp;
use shared_types::rollout::{Approval, VoidApproval, VoidReason};

use super::blocker::Blocker;
use super::event::Expected;
use super::person::same_person;
use super::refusal::{Refusal, Rejection};
use super::state::TargetState;
use super::step::{Step, Terms};

/// How many void approvals are remembered.
const VOID_KEPT: usize = 16;

/// An approval as it is given.
#[derive(Debug, Clone)]
pub struct Given {
    pub by: String,
    pub role: String,
    pub comment: Option<String>,
}

/// Roles that the current phase asks approvals of.
#[must_use]
pub fn asked<'a>(state: &TargetState, terms: &Terms<'a>) -> &'a [String] {
    terms.policy.phase(&state.phase).map_or(&[], |phase| phase.advance.approvals.as_slice())
}

/// The approvals that count now.
fn standing<'a>(state: &'a TargetState, terms: &'a Terms<'_>) -> impl Iterator<Item = &'a Approval> {
    let bound = |it: &&Approval| it.epoch == state.epoch && it.phase == state.phase && under(it, terms);
    state.approvals.iter().filter(bound)
}

/// Whether it was given under the policy that is in force.
fn under(approval: &Approval, terms: &Terms<'_>) -> bool {
    approval.policy_version == terms.policy_version
}

/// Roles whose approval the next move needs and has not got.
#[must_use]
pub fn missing(state: &TargetState, terms: &Terms<'_>) -> Vec<String> {
    let given = |role: &&String| standing(state, terms).any(|it| it.role == **role);
    asked(state, terms).iter().filter(|role| !given(role)).cloned().collect()
}

/// What hinders whoever asks for the move, and nobody else: that they alone have approved it.
#[must_use]
pub fn alone(state: &TargetState, requester: &str, terms: &Terms<'_>) -> Option<Blocker> {
    let roles = asked(state, terms);
    let by_others = standing(state, terms).any(|it| !same_person(&it.by, requester));
    if roles.is_empty() || by_others || !missing(state, terms).is_empty() {
        return None;
    }
    Some(Blocker::ApprovalByRequester { by: requester.to_owned(), any_of: roles.to_vec() })
}

/// Takes an approval. The same again changes nothing.
pub(super) fn approve(
    mut step: Step,
    given: Given,
    expected: &Expected,
    terms: &Terms<'_>,
) -> Result<Step, Rejection> {
    check(&step, &given, expected, terms)?;
    let Given { by, role, comment } = given;
    let state = &step.target;
    let same = |it: &&Approval| same_person(&it.by, &by);
    let earlier = standing(state, terms).find(same).cloned();
    if let Some(earlier) = earlier {
        if earlier.role == role {
            step.repeated = true;
            return Ok(step);
        }
        let earlier = earlier.role;
        let refusal =
            Refusal::SamePersonApproves { by: by.clone(), earlier: earlier.clone(), role: role.clone() };
        let blockers = vec![Blocker::ApprovalBySamePerson { by, earlier, role }];
        return Err(Rejection::blocked(refusal, blockers));
    }
    let (phase, epoch) = (state.phase.clone(), state.epoch);
    let policy_version = terms.policy_version.to_owned();
    step.target.approvals.push(Approval { role, by, at: terms.now, phase, epoch, policy_version, comment });
    Ok(step)
}

fn check(step: &Step, given: &Given, expected: &Expected, terms: &Terms<'_>) -> Result<(), Rejection> {
    let state = &step.target;
    if let Some(phase) = &expected.phase {
        step.check_phase(phase)?;
    }
    if let Some(asked) = expected.epoch.filter(|it| *it != state.epoch) {
        return Err(Refusal::OtherEpoch { target: state.target.clone(), asked, epoch: state.epoch }.into());
    }
    if expected.policy_version.as_ref().is_some_and(|it| it != terms.policy_version) {
        return Err(Refusal::OtherPolicy { version: terms.policy_version.to_owned() }.into());
    }
    let roles = asked(state, terms);
    if !roles.contains(&given.role) {
        let (phase, wanted, role) = (state.phase.clone(), roles.to_vec(), given.role.clone());
        let refusal =
            Refusal::ApprovalNotAsked { phase: phase.clone(), wanted: wanted.clone(), role: role.clone() };
        return Err(Rejection::blocked(refusal, vec![Blocker::ApprovalNotAsked { phase, wanted, role }]));
    }
    Ok(())
}

/// Takes back one's own.
pub(super) fn withdraw(mut step: Step, by: &str, role: &str, now: Timestamp) -> Result<Step, Rejection> {
    let target = &mut step.target;
    let Some(at) = target.approvals.iter().position(|it| same_person(&it.by, by) && it.role == role) else {
        return Err(Refusal::NoApproval { by: by.to_owned(), role: role.to_owned() }.into());
    };
    let approval = target.approvals.remove(at);
    void(target, approval, now, VoidReason::Withdrawn);
    Ok(step)
}

/// Another epoch has begun.
pub(super) fn moved(target: &mut TargetState, now: Timestamp) {
    for approval in std::mem::take(&mut target.approvals) {
        void(target, approval, now, VoidReason::Moved);
    }
}

/// Sets aside what another policy version has made void.
pub(super) fn sweep(target: &mut TargetState, terms: &Terms<'_>) {
    let same = |it: &Approval| under(it, terms);
    let (standing, old): (Vec<_>, Vec<_>) = std::mem::take(&mut target.approvals).into_iter().partition(same);
    target.approvals = standing;
    for approval in old {
        void(target, approval, terms.now, VoidReason::PolicyChanged);
    }
}

fn void(target: &mut TargetState, approval: Approval, void_since: Timestamp, why: VoidReason) {
    target.approvals_void.push(VoidApproval { approval, void_since, why });
    let surplus = target.approvals_void.len().saturating_sub(VOID_KEPT);
    target.approvals_void.drain(..surplus);
}

/// What counts and what counts no more, as it is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// In the order in which they were given.
    pub standing: Vec<Approval>,
    /// Newest first.
    pub void: Vec<VoidApproval>,
}

/// As [`sweep`] would leave it.
#[must_use]
pub fn swept(state: &TargetState, terms: &Terms<'_>) -> Swept {
    let mut state = state.clone();
    sweep(&mut state, terms);
    state.approvals_void.reverse();
    Swept { standing: state.approvals, void: state.approvals_void }
}
