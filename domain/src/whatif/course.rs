//! A rollout played through the gate and the reporter's machine, over telemetry that was recorded.
//!
//! Pure. Each window is judged by the thresholds of the phase that this rollout would have been in, at the time when its
//! batch was there. What people and commands do is assumed, and said so in the help: a move up is made as soon as nothing
//! stands in its way, and a rollout that went off starts again when the recorded one did.

use std::sync::Arc;

use crate::effects::TransitionKind;
use crate::executors::Report;
use crate::policy::{Policy, TargetPolicy};
use crate::rollout::event::StopOutcome;
use crate::rollout::{Aggregate, Context, Effect, Event, Stage, TargetState, Transition, apply};
use crate::whatif::archive::{Archived, Judge, holes};
use serde::Serialize;
use shared_types::{Batch, Decision, Epoch, IncidentId, PhaseId, TargetName, Timestamp, Window};
use uuid::Uuid;

/// Who does what people would do.
const ASSUMED: &str = "assumed";
/// Ticks between two batches; more would be a loop.
const TICKS: u32 = 64;

/// How a rollout went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Course {
    /// Each phase that was entered, the one it began in first.
    pub phases: Vec<Entered>,
    pub rollbacks: Vec<RolledBack>,
    pub incidents: u64,
    pub completed_at: Option<Timestamp>,
    /// Windows that could not be judged.
    pub unjudged: u64,
}

/// A phase that was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entered {
    pub phase: PhaseId,
    pub at: Timestamp,
}

/// A rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    pub from: PhaseId,
    pub to: PhaseId,
    pub at: Timestamp,
    /// The violated metric, in words.
    pub reason: String,
}

/// A rollout under way.
pub struct Rollout {
    judge: Judge,
    /// Without what only people give.
    rules: TargetPolicy,
    at: Aggregate,
    stays: Vec<Stay>,
    last: Option<(Epoch, Window)>,
    /// The recorded epoch in which it went off.
    off_in: Option<Epoch>,
    ids: u64,
    course: Course,
}

/// A stay in a phase.
struct Stay {
    phase: PhaseId,
    epoch: Epoch,
    since: Timestamp,
}

impl Rollout {
    /// `measured_by`: the policy of the decisions that are given along. `None`: the policy does not know the target.
    pub fn new(policy: Arc<Policy>, target: &TargetName, measured_by: &Policy) -> Option<Self> {
        let mut rules = policy.targets.get(target)?.clone();
        for phase in &mut rules.phases {
            phase.advance.approvals.clear();
        }
        rules.evidence.clear();
        // The recorded windows after a rollback that never was are as long as all others: a watch has to wait for them.
        rules.transitions.recovery_cadence = rules.transitions.recovery_cadence.max(rules.collection.window);
        Some(Self {
            judge: Judge::new(policy, target.clone(), Some(measured_by))?,
            rules,
            at: Aggregate { target: TargetState::new(target.clone()), incident: None },
            stays: Vec::new(),
            last: None,
            off_in: None,
            ids: 0,
            course: Course::default(),
        })
    }

    /// Takes the next recorded batch; `observed` is what was said of it by the policy it is measured by.
    pub fn add(&mut self, batch: &Batch, arrived: Timestamp, observed: Option<&Decision>) {
        if self.stays.is_empty() {
            self.begin(batch);
        }
        self.restart(batch);
        for hole in holes(self.last, batch) {
            self.silence(batch, arrived, hole);
        }
        self.last = Some((batch.epoch, batch.window));
        let Some((phase, epoch)) = self.stay_at(batch.window.start) else { return };
        let of = Archived { batch, arrived, phase: &phase, epoch };
        if self.judge.gave_up_on(of) {
            self.silence(batch, arrived, batch.window);
        }
        self.tick(arrived);
        match self.judge.judge(of, observed) {
            Ok(decision) => self.decided(decision, arrived),
            Err(_) => self.course.unjudged += 1,
        }
    }

    /// How it went.
    pub fn finish(self) -> Course {
        self.course
    }

    /// In the phase of the first batch, as if it had just been entered.
    fn begin(&mut self, batch: &Batch) {
        let since = batch.window.start;
        let target = &mut self.at.target;
        (target.phase, target.epoch, target.since) = (batch.phase.clone(), 1, Some(since));
        self.enter(since);
    }

    fn enter(&mut self, at: Timestamp) {
        let target = &self.at.target;
        let (phase, epoch) = (target.phase.clone(), target.epoch);
        if phase.is_completed() {
            self.course.completed_at = Some(at);
        } else {
            self.course.phases.push(Entered { phase: phase.clone(), at });
        }
        self.off_in = self.last.map(|(epoch, _)| epoch).filter(|_| phase.is_off());
        self.stays.push(Stay { phase, epoch, since: at });
    }

    /// What a window that begins then belongs to, if that is gated.
    fn stay_at(&self, start: Timestamp) -> Option<(PhaseId, Epoch)> {
        let stay = self.stays.iter().rev().find(|stay| stay.since <= start)?;
        stay.phase.is_gated().then(|| (stay.phase.clone(), stay.epoch))
    }

    /// A rollout that went off starts again when the recorded one enters its first phase anew.
    fn restart(&mut self, batch: &Batch) {
        let first = self.rules.phases.first().map(|phase| &phase.id);
        let anew = self.off_in.is_some_and(|epoch| epoch != batch.epoch) && first == Some(&batch.phase);
        if self.at.target.phase.is_off() && anew {
            self.apply(Event::Start { by: ASSUMED.to_owned() }, batch.window.start);
        }
    }

    fn silence(&mut self, batch: &Batch, arrived: Timestamp, window: Window) {
        let Some((phase, epoch)) = self.stay_at(window.start) else { return };
        let of = Archived { batch, arrived, phase: &phase, epoch };
        if let Some(alarm) = self.judge.alarm(of, window) {
            let at = alarm.decided_at;
            self.tick(at);
            self.decided(alarm, at);
        }
    }

    fn decided(&mut self, decision: Decision, at: Timestamp) {
        let satisfied = decision.gate.as_ref().is_some_and(|gate| gate.satisfied);
        let before = self.course.incidents;
        self.apply(Event::Decided(Box::new(decision)), at);
        if self.course.incidents > before {
            self.apply(Event::Acknowledged { by: ASSUMED.to_owned(), at }, at);
        }
        if satisfied && self.at.target.incident.is_none() && self.at.target.stage == Stage::Idle {
            self.apply(Event::Promote { by: ASSUMED.to_owned(), from: None }, at);
        }
    }

    /// Whatever is due up to then.
    fn tick(&mut self, now: Timestamp) {
        for _ in 0..TICKS {
            let of_incident = self.at.incident.as_ref().and_then(crate::rollout::Incident::next_due);
            let due = self.at.target.next_due().into_iter().chain(of_incident).min();
            let Some(due) = due.filter(|due| *due <= now) else { return };
            let before = self.at.clone();
            self.apply(Event::Tick, due);
            if self.at == before {
                return;
            }
        }
    }

    /// Applies an event; commands that it asks for succeed at once. One that is refused changes nothing.
    fn apply(&mut self, event: Event, now: Timestamp) {
        self.ids += 1;
        let Ok(new_incident) = IncidentId::parse(&format!("INC-backtest-{}", self.ids)) else { return };
        let new_transition = Uuid::from_u128(u128::from(self.ids));
        let policy_version = self.judge.version();
        let context = Context { now, policy: &self.rules, policy_version, new_incident, new_transition };
        let Ok(step) = apply(&self.at, event, &context) else { return };
        self.course.incidents += u64::from(step.opened);
        let open = step.target.incident.is_some();
        self.at = Aggregate { incident: step.incident.filter(|_| open), target: step.target };
        for effect in step.effects {
            if let Effect::Run(transition) = effect {
                self.run(&transition, now);
            }
        }
    }

    fn run(&mut self, transition: &Transition, now: Timestamp) {
        let epoch = self.at.target.epoch;
        let id = transition.id;
        let started = Event::TransitionStarted { transition: id, attempt: 1, stop: StopOutcome::NotNeeded };
        self.apply(started, now);
        let verified = Some(transition.to.to_string());
        let report = Report { verified, ..Report::default() };
        self.apply(Event::TransitionSucceeded { transition: id, report }, now);
        if self.at.target.epoch == epoch {
            return;
        }
        if transition.kind == TransitionKind::Rollback {
            self.course.rollbacks.push(RolledBack {
                from: transition.from.clone(),
                to: transition.to.clone(),
                at: now,
                reason: transition.reason.clone(),
            });
        }
        self.enter(now);
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
