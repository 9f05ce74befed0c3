//! The past judged again: recorded decisions one by one, in the order in which they were made, under any policy.
//!
//! Plain functions. A window is judged by what was measured in it, at the audience it was served to then; phases
//! and epochs are those that were recorded. What a decision leaves behind for the next one (the compliant run, the
//! batches a mean looks back on) is the replay's own.

use std::collections::VecDeque;
use std::time::Duration;

use crate::policy::{PhasePolicy, Policy, TargetPolicy};
use crate::story::figures::format_duration;
use shared_types::decision::Cause;
use shared_types::{Decision, TargetName, Timestamp, Window};

use crate::gate::GateState;
use crate::gate::ledger::{self, Judged, Rules};
use crate::gate::{
    CheckedBatch, EarlierBatch, Observed, Run, Subject, batch_hash, observe_batch, observe_missing,
    observe_recorded, same_observations,
};

use super::Recorded;

/// How long batches are kept for a mean beyond its look-back: one may be judged after later ones.
const LATE: Duration = Duration::from_secs(2 * 86_400);

/// One target's past, judged again.
#[derive(Debug)]
pub struct Replay {
    target: TargetName,
    state: GateState,
    look_back: Duration,
    earlier: VecDeque<EarlierBatch>,
}

/// What became of one recorded decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replayed {
    /// The decision that is made now; none if none would be.
    pub made: Option<Decision>,
    /// The alarm before it, where the batch would now have been given up on before it came.
    pub alarm: Option<Decision>,
    /// Why nothing can be said.
    pub unjudged: Option<String>,
}

/// Whether a decision made under `was` can only be judged again under `by` from its whole batch.
#[must_use]
pub fn needs_batch(by: &Policy, was: Option<&Policy>, target: &TargetName) -> bool {
    match (by.targets.get(target), was.and_then(|was| was.targets.get(target))) {
        (Some(by), Some(was)) => !same_observations(by, was),
        (None, _) => false,
        (Some(_), None) => true,
    }
}

/// How long windows are by this policy, and how long this one is, if it was cut by other rules: no replay can cut time anew. `was`
/// is the policy that it was made by, if that is known.
#[must_use]
pub fn other_length(window: Window, by: &TargetPolicy, was: Option<&TargetPolicy>) -> Option<String> {
    let told = |made: Duration, asked: Duration| {
        format!(
            "made in windows of {}, the policy asks for {}",
            format_duration(made),
            format_duration(asked)
        )
    };
    let (length, asked, cadence) = (window.length(), by.collection.window, by.transitions.recovery_cadence);
    if length == asked || length == cadence {
        return None;
    }
    // A shorter one may be cut by a move.
    let made = if length > asked { Some(length) } else { was.map(|was| was.collection.window) };
    match was.map(|was| was.transitions.recovery_cadence) {
        Some(was_cadence) if length == was_cadence => Some(told(length, cadence)),
        _ => made.filter(|made| *made != asked).map(|made| told(made, asked)),
    }
}

impl Replay {
    /// Of a target; `look_back` is the longest mean of the policies that it will be judged by.
    #[must_use]
    pub fn new(target: TargetName, look_back: Duration) -> Self {
        let state = GateState::unheard(target.clone());
        Self { target, state, look_back, earlier: VecDeque::new() }
    }

    /// Takes note of what lies before the time that is replayed, for those that look back on it. It is not judged: what it
    /// looked back on itself is not there.
    pub fn look_at(&mut self, recorded: &Recorded) {
        let Decision { cause: Cause::Slo, epoch, window, .. } = recorded.decision else { return };
        let counters = match (&recorded.batch, &recorded.counters) {
            (Some(batch), _) => batch.counters.clone(),
            (None, Some(counters)) => counters.clone(),
            (None, None) => return,
        };
        self.keep(EarlierBatch { epoch, window, counters });
    }

    /// Judges a recorded decision again by a policy; `was` is the one it was made by. With its whole batch, where that
    /// was read, else by what it says was observed.
    pub fn step(&mut self, recorded: &Recorded, by: &Policy, was: Option<&Policy>) -> Replayed {
        let decision = &recorded.decision;
        let was = was.and_then(|was| was.targets.get(&self.target));
        let rules = match self.rules(by, decision) {
            Ok(rules) => rules,
            Err(why) => return Replayed { unjudged: Some(why), ..Replayed::default() },
        };
        let after = rules.policy.collection.delayed_after;
        let was_after = was.map_or(after, |was| was.collection.delayed_after);
        match decision.cause {
            Cause::Slo => {
                let given_up = after < was_after
                    && ledger::in_time(decision.window, decision.decided_at, was_after)
                    && !ledger::in_time(decision.window, decision.decided_at, after);
                let at = decision.window.end.plus(after);
                let alarm =
                    given_up.then(|| self.missing(decision, Cause::CollectionDelayed, after, at, rules));
                match self.judge(recorded, rules) {
                    Ok(made) => Replayed { made: Some(made), alarm, unjudged: None },
                    Err(why) => Replayed { made: None, alarm, unjudged: Some(why) },
                }
            }
            Cause::CollectionDelayed if recorded.arrived_by(after) && after != was_after => {
                Replayed::default()
            }
            Cause::CollectionDelayed => {
                let moved = |at: Duration| at.saturating_sub(was_after) + after;
                let at = decision.window.end.plus(moved(decision.decided_at.since(decision.window.end)));
                let made = self.missing(decision, decision.cause, moved(elapsed(decision)), at, rules);
                Replayed { made: Some(made), ..Replayed::default() }
            }
            Cause::RetryExhausted => {
                let (elapsed, at) = (elapsed(decision), decision.decided_at);
                let made = self.missing(decision, decision.cause, elapsed, at, rules);
                Replayed { made: Some(made), ..Replayed::default() }
            }
        }
    }

    fn rules<'p>(&self, by: &'p Policy, decision: &Decision) -> Result<Rules<'p>, String> {
        let policy = by
            .targets
            .get(&self.target)
            .ok_or_else(|| format!("the policy has no target `{}`", self.target))?;
        let phase: &PhasePolicy = policy
            .phase(&decision.phase)
            .ok_or_else(|| format!("the policy has no gated phase `{}`", decision.phase))?;
        Ok(Rules { version: &by.version, policy, phase })
    }

    fn judge(&mut self, recorded: &Recorded, rules: Rules<'_>) -> Result<Decision, String> {
        let decision = &recorded.decision;
        let (observed, hash, batch) = match (&recorded.batch, &recorded.counters) {
            (Some(batch), _) => {
                if let Some(event) = batch.let_go() {
                    return Err(format!(
                        "the histogram of `{event}` is no longer kept (retention.histograms)"
                    ));
                }
                // Around a change of the policy its own decision took what another version had counted.
                let own = decision.policy_version == rules.version;
                let check = if own { CheckedBatch::check_whoever_counted } else { CheckedBatch::check };
                let checked = check(batch.clone(), rules.policy).map_err(|error| error.to_string())?;
                let near = self.near(batch.window);
                let observed = observe_batch(&checked, &near, rules.policy, rules.phase);
                (observed, Some(batch_hash(batch)), EarlierBatch::of(batch))
            }
            (None, Some(counters)) => {
                let (epoch, window) = (decision.epoch, decision.window);
                let of = EarlierBatch { epoch, window, counters: counters.clone() };
                let near = self.near(window);
                let observed = observe_recorded(&of, decision, &near, rules.policy, rules.phase);
                let hash = decision.evidence.as_ref().and_then(|it| it.batch_hash.clone());
                (observed, hash, of)
            }
            (None, None) => return Err("its batch is no longer kept".to_owned()),
        };
        self.keep(batch);
        Ok(self.decide(decision, observed, hash, None, decision.decided_at, rules))
    }

    /// What a mean may look back on.
    fn near(&self, window: Window) -> Vec<EarlierBatch> {
        let since = window.end.minus(self.look_back);
        self.earlier.iter().filter(|it| it.window.end > since).cloned().collect()
    }

    fn keep(&mut self, batch: EarlierBatch) {
        let oldest = batch.window.end.minus(self.look_back + LATE);
        self.earlier.push_back(batch);
        while self.earlier.front().is_some_and(|it| it.window.end <= oldest) {
            self.earlier.pop_front();
        }
    }

    fn missing(
        &mut self,
        decision: &Decision,
        cause: Cause,
        elapsed: Duration,
        at: Timestamp,
        rules: Rules<'_>,
    ) -> Decision {
        let observed = observe_missing(cause, elapsed, rules.policy);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).ok();
        self.decide(decision, observed, None, elapsed_ms, at, rules)
    }

    fn decide(
        &mut self,
        decision: &Decision,
        observed: Observed,
        batch_hash: Option<String>,
        elapsed_ms: Option<u64>,
        at: Timestamp,
        rules: Rules<'_>,
    ) -> Decision {
        let evidence = decision.evidence.as_ref();
        let sequence = evidence.map_or(0, |it| it.sequence);
        let subject = Subject {
            target: decision.target.clone(),
            phase: decision.phase.clone(),
            epoch: decision.epoch,
            window: decision.window,
        };
        let judged = Judged { subject, observed, batch_hash, elapsed_ms, sequence, at };
        if decision.gate.is_none() {
            // Of an epoch that was over by then: it says nothing of a run.
            let mut over = GateState::unheard(self.target.clone());
            over.run = Some((decision.phase.clone(), Run::fresh(decision.epoch.saturating_add(1))));
            return ledger::decide(&mut over, rules, judged);
        }
        let enters = self.state.run.as_ref().is_none_or(|(_, run)| run.epoch < decision.epoch);
        // One that goes on from nothing begins its epoch here too, which may know of the one before (JU-9g).
        if enters && let Some(run) = evidence.and_then(|it| it.run.as_ref()) {
            self.state.run = Some((decision.phase.clone(), Run::resume(decision.epoch, run)));
        }
        ledger::decide(&mut self.state, rules, judged)
    }
}

impl Recorded {
    /// Whether the window's batch came, and so soon after its end.
    fn arrived_by(&self, after: Duration) -> bool {
        self.arrived.is_some_and(|at| ledger::in_time(self.decision.window, at, after))
    }
}

/// The time since the window's end that was judged.
fn elapsed(decision: &Decision) -> Duration {
    let stated = decision.evidence.as_ref().and_then(|it| it.elapsed_ms);
    stated.map_or_else(|| decision.decided_at.since(decision.window.end), Duration::from_millis)
}
