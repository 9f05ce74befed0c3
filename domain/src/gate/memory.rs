//! What an epoch's windows have shown of each metric so far (JU-2 to JU-6, JU-14 to JU-16).
//!
//! A judgement reads it as a decision keeps it ([`MetricBefore`]), so whoever has the decision can judge again (JU-12).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use shared_types::decision::{ChangedBefore, ControlBefore, MetricBefore, StayOver};

use super::evidence::{Counts, Detector, Neighbours, SESSION_WINDOWS, of_neighbours, of_sessions};
use super::{changed, control};
use crate::policy::{PhasePolicy, TargetPolicy};

/// Windows before the present one that are looked at together with it.
pub(super) const RECENT: usize = 15;

/// Odds are kept to so many places, as levels are (JU-12).
const ROUNDED_TO: f64 = 1e9;

/// What a judged window adds to what is remembered of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    pub metric: String,
    /// What was counted and how it was weighed; another one starts anew (JU-15).
    pub basis: String,
    pub of: What,
}

/// A metric in the phase that a move up leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct InPhase {
    pub basis: String,
    /// The stays before are asked for, and what was bad in them is bad there too.
    pub vouched: bool,
}

/// The two kinds of metrics.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It has attempts, and some occurred.
    Attempts(Box<WeighedAttempts>),
    /// It has none; whether its value was beyond the threshold.
    Value { over: bool },
}

/// What a window with attempts leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct WeighedAttempts {
    /// As judged: without a session that is left out.
    pub counts: Counts,
    /// So many more may be bad.
    pub unresolved: u64,
    pub detector: Detector,
    /// As [`MetricBefore`] keeps them; none where errors carry none.
    pub sessions: Option<Vec<(u64, u64)>>,
    pub control: Option<ControlBefore>,
    pub changed: Option<ChangedBefore>,
}

/// Of all metrics of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Memory(Vec<MetricMemory>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct MetricMemory {
    metric: String,
    basis: String,
    detector: Detector,
    recent: VecDeque<(u64, u64)>,
    /// Of the same windows; empty where all are 0.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    unresolved: VecDeque<u64>,
    stay: (u64, u64),
    neighbours: Neighbours,
    group: (u64, u64),
    over: u64,
    sessions: Vec<(u64, u64)>,
    control: Option<ControlBefore>,
    changed: Option<ChangedBefore>,
}

impl MetricMemory {
    fn begin(metric: &str, basis: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            basis: basis.to_owned(),
            detector: Detector::default(),
            recent: VecDeque::new(),
            unresolved: VecDeque::new(),
            stay: (0, 0),
            neighbours: Neighbours::default(),
            group: (0, 0),
            over: 0,
            sessions: Vec::new(),
            control: None,
            changed: None,
        }
    }

    fn design_effect(&self) -> f64 {
        if self.sessions.is_empty() {
            of_neighbours(self.neighbours.sums())
        } else {
            of_sessions(&self.sessions)
        }
    }

    fn take(&mut self, what: &What) {
        let (counts, unresolved, control) = match what {
            What::Value { over } => {
                self.over = if *over { self.over.saturating_add(1) } else { 0 };
                return;
            }
            What::Attempts(weighed) => {
                let WeighedAttempts { counts, unresolved, detector, sessions, control, changed } = &**weighed;
                self.detector = *detector;
                if changed.is_some() {
                    self.changed.clone_from(changed);
                }
                if let Some(sessions) = sessions {
                    self.sessions = sessions[sessions.len().saturating_sub(SESSION_WINDOWS - 1)..].to_vec();
                }
                (*counts, *unresolved, control)
            }
        };
        // A step that something outside made says nothing of how errors come.
        let held = |control: &Option<ControlBefore>| control.as_ref().is_some_and(|it| it.held);
        if let Some(before) = self.recent.back().copied()
            && !held(control)
            && !held(&self.control)
        {
            self.neighbours.take(before.into(), counts);
        }
        // A window of which the control group is not known forgets nothing of it.
        if control.is_some() {
            self.control.clone_from(control);
        }
        self.unresolved.resize(self.recent.len(), 0);
        self.recent.push_back(counts.into());
        self.unresolved.push_back(unresolved);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
            self.unresolved.pop_front();
        }
        if self.unresolved.iter().all(|it| *it == 0) {
            self.unresolved.clear();
        }
        // Nor is it held against the whole stay: else nothing would move up for days after an outage of others (JU-6).
        if !held(control) {
            self.stay = Counts::from(self.stay).and(counts).into();
        }
        let (windows, attempts) = self.group;
        self.group = (windows + 1, attempts.saturating_add(counts.attempts));
    }
}

impl Memory {
    /// Goes on from what a decision says it went on from.
    pub(super) fn resume(before: &[MetricBefore]) -> Self {
        let of = |it: &MetricBefore| MetricMemory {
            metric: it.metric.clone(),
            basis: it.basis.clone(),
            detector: Detector::resume(&it.levels),
            recent: it.recent.iter().copied().collect(),
            unresolved: it.unresolved.iter().copied().collect(),
            stay: it.stay,
            neighbours: Neighbours::resume(it.bunches),
            group: it.group,
            over: it.over,
            sessions: it.sessions.clone(),
            control: it.control.clone(),
            changed: it.changed.clone(),
        };
        Self(before.iter().map(of).collect())
    }

    /// Of an epoch that a move up begins: of the one before it nothing counts but how its control groups did (JU-9g) and, where
    /// less evidence is enough of a version that has changed, its stays (JU-9f). `in_phase` is what a metric of this basis is in the
    /// new phase, if it is judged there.
    pub(super) fn after_move_up(&self, in_phase: impl Fn(&str) -> Option<InPhase>) -> Self {
        let of = |it: &MetricMemory| {
            let InPhase { basis, vouched } = in_phase(&it.metric)?;
            let control = it.control.as_ref().and_then(control::after_move_up);
            let changed = vouched.then(|| changed::after_move_up(it.changed.as_ref(), it.stay));
            let begun = MetricMemory { control, changed, ..MetricMemory::begin(&it.metric, &basis) };
            (begun.control.is_some() || begun.changed.is_some()).then_some(begun)
        };
        Self(self.0.iter().filter_map(of).collect())
    }

    /// For the decision that goes on from here.
    pub(super) fn before(&self) -> Vec<MetricBefore> {
        let of = |it: &MetricMemory| MetricBefore {
            metric: it.metric.clone(),
            basis: it.basis.clone(),
            levels: it.detector.levels(),
            recent: it.recent.iter().copied().collect(),
            unresolved: it.unresolved.iter().copied().collect(),
            stay: it.stay,
            bunches: it.neighbours.sums(),
            group: it.group,
            over: it.over,
            sessions: it.sessions.clone(),
            control: it.control.clone(),
            changed: it.changed.clone(),
        };
        self.0.iter().map(of).collect()
    }

    /// Takes a judged window into account. Groups end together, once none waits: each by itself they would fall out of step,
    /// and some metric would always wait.
    pub(super) fn take(&mut self, window: &[Remembered], groups_end: bool) {
        for Remembered { metric, basis, of } in window {
            let found = self.0.iter().position(|it| it.metric == *metric);
            let index = found.unwrap_or_else(|| {
                self.0.push(MetricMemory::begin(metric, basis));
                self.0.len() - 1
            });
            if self.0[index].basis != *basis {
                self.0[index] = MetricMemory::begin(metric, basis);
            }
            self.0[index].take(of);
        }
        if groups_end {
            self.0.iter_mut().for_each(|it| it.group = (0, 0));
        }
    }

    /// The metrics whose whole stay put together is beyond the phase's limit (JU-6).
    pub(super) fn stay_over(&self, policy: &TargetPolicy, phase: &PhasePolicy) -> Vec<StayOver> {
        let over = |it: &MetricMemory| {
            let metric = policy.metrics.iter().find(|metric| metric.name == it.metric)?;
            if metric.on_violation.is_advisory() {
                return None;
            }
            let threshold = *phase.thresholds.get(&it.metric)?;
            let limit = metric.kind.limit(threshold, metric.display)?;
            let stay = Counts::from(it.stay);
            limit.is_exceeded_by(stay).then(|| {
                // Only of what is over: the tail of a long stay is a long sum.
                let luck = limit.luck(stay, it.design_effect());
                let luck = Some((luck * ROUNDED_TO).round() / ROUNDED_TO);
                let (metric, allowed) = (it.metric.clone(), limit.p0().value());
                StayOver { metric, bad: stay.bad, attempts: stay.attempts, allowed, luck }
            })
        };
        self.0.iter().filter_map(over).collect()
    }
}
