//! Archived batches under two policies: where there is no store, only the lines the collector wrote (CO-3).
//!
//! Without decisions beside them, batches count as received when they were complete. What was missing is told from
//! that: a batch that came too late, and a hole between two windows of an epoch, raise the alarm that the analyzer
//! would have raised.

use std::sync::Arc;

use crate::policy::{AdvanceCondition, Policy, TargetPolicy};
use shared_types::decision::{Cause, Evidence, SCHEMA};
use shared_types::{Batch, Decision, Epoch, PhaseId, TargetName, Timestamp, Verdict, Window};
use uuid::Uuid;

use super::Recorded;
use super::compare::{About, Backtest, Comparison, Limits};
use super::replay::{Replay, other_length};
use crate::gate::ledger;
use crate::gate::{Run, longest_look_back, same_observations};
use crate::story::figures::format_duration;

/// Windows of one hole that are told one by one; the run is broken for all of it anyway.
const HOLE: usize = 96;

/// A policy that judges archived batches one after the other, the oldest window first.
#[derive(Debug)]
pub struct Judge {
    policy: Arc<Policy>,
    target: TargetName,
    replay: Replay,
    /// Whether what the first judge observed says as much as the batch.
    shares: bool,
    sequence: u64,
}

/// A batch, and as what it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Archived<'a> {
    pub batch: &'a Batch,
    pub arrived: Timestamp,
    /// Those of the rollout that it is judged in; the batch's own, if it is the recorded one.
    pub phase: &'a PhaseId,
    pub epoch: Epoch,
}

impl<'a> Archived<'a> {
    /// As it was recorded.
    #[must_use]
    pub fn as_recorded(batch: &'a Batch, arrived: Timestamp) -> Self {
        Self { batch, arrived, phase: &batch.phase, epoch: batch.epoch }
    }
}

impl Judge {
    /// `measured_by`: the policy of the judge whose decisions will be given along; none for the first one. `None`: the
    /// policy does not know the target.
    #[must_use]
    pub fn new(policy: Arc<Policy>, target: TargetName, measured_by: Option<&Policy>) -> Option<Self> {
        let rules = policy.targets.get(&target)?;
        let measured = measured_by.and_then(|policy| policy.targets.get(&target));
        let shares = measured.is_some_and(|measured| same_observations(rules, measured));
        let replay = Replay::new(target.clone(), longest_look_back(rules));
        Some(Self { policy, target, replay, shares, sequence: 0 })
    }

    /// Its policy of the target.
    #[must_use]
    pub fn rules(&self) -> Option<&TargetPolicy> {
        self.policy.targets.get(&self.target)
    }

    /// The policy's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.policy.version
    }

    /// Judges a batch; `observed` is what the first judge said of it.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn judge(&mut self, of: Archived<'_>, observed: Option<&Decision>) -> Result<Decision, String> {
        let batch = of.batch;
        let mut decision = self.told(of, batch.window, Cause::Slo, of.arrived);
        let arrived = Some(of.arrived);
        let recorded = match observed.filter(|_| self.shares) {
            Some(observed) => {
                decision.metrics.clone_from(&observed.metrics);
                decision.uncounted.clone_from(&observed.uncounted);
                if let (Some(to), Some(from)) = (&mut decision.evidence, &observed.evidence) {
                    to.batch_hash.clone_from(&from.batch_hash);
                }
                Recorded { decision, arrived, counters: Some(batch.counters.clone()), batch: None }
            }
            None => {
                let (phase, epoch) = (of.phase.clone(), of.epoch);
                let batch = Some(Batch { phase, epoch, ..batch.clone() });
                Recorded { decision, arrived, counters: None, batch }
            }
        };
        self.step(&recorded)
    }

    /// The alarm for a window whose batch was not there `delayed_after` its end.
    pub fn alarm(&mut self, of: Archived<'_>, window: Window) -> Option<Decision> {
        let after = self.rules()?.collection.delayed_after;
        let decision = self.told(of, window, Cause::CollectionDelayed, window.end.plus(after));
        self.step(&Recorded { decision, arrived: None, counters: None, batch: None }).ok()
    }

    /// Whether the batch came only after it was given up.
    #[must_use]
    pub fn gave_up_on(&self, of: Archived<'_>) -> bool {
        let after = self.rules().map(|it| it.collection.delayed_after);
        after.is_some_and(|after| !ledger::in_time(of.batch.window, of.arrived, after))
    }

    fn step(&mut self, recorded: &Recorded) -> Result<Decision, String> {
        let policy = Arc::clone(&self.policy);
        let replayed = self.replay.step(recorded, &policy, Some(&policy));
        replayed.made.ok_or_else(|| replayed.unjudged.unwrap_or_default())
    }

    /// What is known of a decision that an archive does not hold: what it was about, and when.
    fn told(&mut self, of: Archived<'_>, window: Window, cause: Cause, at: Timestamp) -> Decision {
        self.sequence += 1;
        Decision {
            schema: SCHEMA.to_owned(),
            decision_id: Uuid::nil(),
            target: self.target.clone(),
            phase: of.phase.clone(),
            epoch: of.epoch,
            window,
            verdict: Verdict::Insufficient,
            rollback_required: false,
            action: None,
            cause,
            metrics: Vec::new(),
            violated: Vec::new(),
            policy_version: String::new(),
            decided_at: at,
            uncounted: None,
            vanished: vec![],
            // Of the newest epoch: an archive is read in the order of its windows.
            gate: Some(Run::fresh(of.epoch).progress(AdvanceCondition::CompliantBatches(0))),
            evidence: Some(Evidence {
                batch_hash: None,
                samples: 0,
                history: Vec::new(),
                elapsed_ms: None,
                run: None,
                sequence: self.sequence,
            }),
        }
    }
}

/// The windows between two batches, where they are of one epoch.
#[must_use]
pub fn holes(last: Option<(Epoch, Window)>, batch: &Batch) -> Vec<Window> {
    let Some((_, last)) = last.filter(|(epoch, _)| *epoch == batch.epoch) else { return Vec::new() };
    let length = batch.window.length();
    let mut holes = Vec::new();
    let mut start = last.end;
    while start < batch.window.start && holes.len() < HOLE && !length.is_zero() {
        let end = start.plus(length).min(batch.window.start);
        holes.push(Window { start, end });
        start = end;
    }
    holes
}

/// An archive, compared batch by batch, the oldest window first.
#[derive(Debug)]
pub struct Archive {
    target: TargetName,
    old: Judge,
    new: Judge,
    comparison: Comparison,
    first: Option<Timestamp>,
    last: Option<(Epoch, Window)>,
}

impl Archive {
    /// `None`: one of the policies does not know the target.
    #[must_use]
    pub fn new(target: TargetName, old: Arc<Policy>, new: Arc<Policy>, limits: Limits) -> Option<Self> {
        Some(Self {
            new: Judge::new(new, target.clone(), Some(&old))?,
            old: Judge::new(old, target.clone(), None)?,
            target,
            comparison: Comparison::new(limits),
            first: None,
            last: None,
        })
    }

    /// Takes the next batch; its window begins after all before it. What the old policy says of it.
    pub fn add(&mut self, batch: &Batch, arrived: Timestamp) -> Option<Decision> {
        self.first = self.first.or(Some(batch.window.start));
        let of = Archived::as_recorded(batch, arrived);
        for hole in holes(self.last, batch) {
            // The line may be lost as well as the window: the alarm is a guess.
            self.comparison.missing(hole);
            let (old, new) = (self.old.alarm(of, hole), self.new.alarm(of, hole));
            self.comparison.add(old.as_ref(), new.as_ref());
        }
        if let Some(detail) = self.other_length(batch) {
            self.comparison.other_length(batch.window, detail);
        }
        let alarm = |judge: &mut Judge| {
            if judge.gave_up_on(of) { judge.alarm(of, batch.window) } else { None }
        };
        let (old, new) = (alarm(&mut self.old), alarm(&mut self.new));
        self.comparison.add(old.as_ref(), new.as_ref());
        let old = self.old.judge(of, None).ok();
        match (self.new.judge(of, old.as_ref()), &old) {
            (Err(why), Some(old)) => self.comparison.unjudged(old, why),
            (new, _) => self.comparison.add(old.as_ref(), new.ok().as_ref()),
        }
        self.last = Some((batch.epoch, batch.window));
        old
    }

    /// Archived batches do not say by which policy they were cut. Two short ones after each other were not cut by a move.
    fn other_length(&self, batch: &Batch) -> Option<String> {
        let (by, window) = (self.new.rules()?, batch.window);
        let told = other_length(window, by, self.old.rules());
        let (length, asked) = (window.length(), by.collection.window);
        let alike = |(epoch, last): (Epoch, Window)| {
            (epoch, last.end, last.length()) == (batch.epoch, window.start, length)
        };
        let uncut =
            self.last.is_some_and(alike) && length < asked && length != by.transitions.recovery_cadence;
        let (made, asked) = (format_duration(length), format_duration(asked));
        told.or_else(|| uncut.then(|| format!("made in windows of {made}, the policy asks for {asked}")))
    }

    /// The result; `None` if there was no batch.
    #[must_use]
    pub fn finish(self) -> Option<Backtest> {
        let (from, (_, last)) = (self.first?, self.last?);
        let about = About { target: self.target, from, to: last.end };
        Some(self.comparison.finish(Some(self.new.version().to_owned()), about))
    }
}

#[cfg(test)]
mod tests {
    use shared_types::decision::ControlFinding;

    use super::*;
    use crate::gate::fixture::{Counts, autosave, policy_with_control, window};

    /// JU-9g: an archive holds no runs, and a window after a move up is judged as it was then: beside those before the move.
    #[test]
    fn an_archive_knows_how_the_control_group_did_before_a_move_up() {
        let mut judge = Judge::new(Arc::new(policy_with_control()), autosave(), None).unwrap();
        let mut judged = |phase, epoch, n, bad| {
            let window = window(n);
            let counts =
                Counts { phase, epoch, window, errors: bad, control: Some((bad, 600)), ..Counts::default() };
            let batch = counts.batch();
            judge.judge(Archived::as_recorded(&batch, batch.collected_at), None).unwrap()
        };
        (0..4).for_each(|n| assert_eq!(judged("A", 1, n, 1).verdict, Verdict::Ok));
        let fell = judged("B", 2, 4, 60);
        assert_eq!(fell.verdict, Verdict::Violation);
        let weighed = fell.metrics[1].weighed.as_ref().unwrap();
        let finding = weighed.control.as_ref().and_then(|control| control.finding);
        assert_eq!(finding, Some(ControlFinding::Surroundings));
    }
}
