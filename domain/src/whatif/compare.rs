//! What another policy changes: two sides of each decision, gathered one after the other.
//!
//! Plain and bounded: whatever is listed is listed up to a limit, and counted beyond it.

mod detection;
mod report;
mod spread;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};

use shared_types::{Decision, Epoch, Verdict, Window};

use detection::Episodes;
use spread::Spreads;
use unknown::Unknowns;

pub use report::{
    About, Backtest, Change, ChangedMetric, Changes, Detected, Detection, Episode, PhaseReached, Required,
    RollbackChange, Rollbacks, Said, Strip, Unjudged, UnjudgedWindows, VerdictCounts, Verdicts,
};
pub use spread::MeasuredSpread;
pub use unknown::{NotReplayed, Unknown};

/// Rows of each list besides the changed decisions.
const LISTED: usize = 1_000;

/// How much is listed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Changed decisions, oldest first.
    pub changes: usize,
    /// Windows of the strip, the newest ones.
    pub strip: usize,
}

/// Both sides of decisions, in the order in which they were made.
#[derive(Debug)]
pub struct Comparison {
    limits: Limits,
    decisions: u64,
    identical: u64,
    versions: BTreeSet<String>,
    verdicts: Verdicts,
    changes: Changes,
    stays: BTreeMap<Epoch, Stay>,
    episodes: Episodes,
    unjudged: UnjudgedWindows,
    unknowns: Unknowns,
    spreads: Spreads,
    strip: Strip,
}

/// What both sides say of one epoch.
#[derive(Debug, Default)]
struct Stay {
    phase: String,
    rollback: [Option<Required>; 2],
    reached: [Option<shared_types::Timestamp>; 2],
}

impl Comparison {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decisions: 0,
            identical: 0,
            versions: BTreeSet::new(),
            verdicts: Verdicts::default(),
            changes: Changes::default(),
            stays: BTreeMap::new(),
            episodes: Episodes::default(),
            unjudged: UnjudgedWindows::default(),
            unknowns: Unknowns::default(),
            spreads: Spreads::default(),
            strip: Strip::default(),
        }
    }

    /// A window of which nothing is kept, whatever alarm is made up for it.
    pub fn missing(&mut self, window: Window) {
        self.unknowns.add(Unknown::MissingWindows, unknown::MISSING.to_owned(), 1, Some(window));
    }

    /// A window of another length than the new policy asks for.
    pub fn other_length(&mut self, window: Window, detail: String) {
        self.unknowns.add(Unknown::WindowLength, detail, 1, Some(window));
    }

    /// A window that one side cannot judge.
    pub fn unjudged(&mut self, old: &Decision, why: String) {
        self.decisions += 1;
        self.versions.insert(old.policy_version.clone());
        self.verdicts.old.count(old.verdict);
        self.unjudged.total += 1;
        self.unknowns.keep(old.epoch, old.window);
        self.unknowns.add(Unknown::NotJudged, why.clone(), 1, Some(old.window));
        if self.unjudged.items.len() < LISTED.min(self.limits.changes) {
            self.unjudged.items.push(Unjudged { window: old.window, phase: old.phase.clone(), why });
        }
    }

    /// One decision as it was (or is made by the one policy) and as it is made by the other; either may be missing.
    pub fn add(&mut self, old: Option<&Decision>, new: Option<&Decision>) {
        let Some(any) = old.or(new) else { return };
        self.decisions += 1;
        self.identical += u64::from(old == new);
        self.unknowns.keep(any.epoch, any.window);
        let is_weighed = |it: &&Decision| it.metrics.iter().any(|metric| metric.weighed.is_some());
        if let Some(weighed) = new.filter(is_weighed).or(old) {
            self.spreads.add(weighed);
        }
        self.versions.extend(old.map(|it| it.policy_version.clone()));
        for (side, counts) in [(old, &mut self.verdicts.old), (new, &mut self.verdicts.new)] {
            if let Some(decision) = side {
                counts.count(decision.verdict);
            }
        }
        if !says_the_same(old, new) {
            self.changes.total += 1;
            if self.changes.items.len() < self.limits.changes {
                self.changes.items.push(Change::of(any, old, new));
            }
        }
        self.strip.push(any, old, new, self.limits.strip);
        if any.gate.is_none() {
            return; // of an epoch that was over: nothing follows from it (PH-8)
        }
        self.episodes.add(any, old, new);
        let stay = self.stays.entry(any.epoch).or_default();
        any.phase.as_str().clone_into(&mut stay.phase);
        for (side, decision) in [old, new].into_iter().enumerate() {
            let Some(decision) = decision else { continue };
            if decision.rollback_required && stay.rollback[side].is_none() {
                stay.rollback[side] = Some(Required::of(decision));
            }
            let satisfied = decision.gate.as_ref().is_some_and(|gate| gate.satisfied);
            if satisfied && stay.reached[side].is_none() {
                stay.reached[side] = Some(decision.decided_at);
            }
        }
    }

    /// The result. `policy` is the version of the new side.
    #[must_use]
    pub fn finish(self, policy: Option<String>, about: About) -> Backtest {
        let rollbacks = rollbacks(&self.stays);
        let phases = phases(&self.stays);
        let moved = phases.iter().any(|it| it.old != it.new)
            || rollbacks.gained + rollbacks.lost + rollbacks.moved > 0;
        let differs = self.changes.total > 0 || moved;
        let not_replayed = self.unknowns.finish();
        Backtest {
            target: about.target,
            from: about.from,
            to: about.to,
            policy,
            compared_with: self.versions.into_iter().collect(),
            same: !differs && not_replayed.is_empty(),
            differs,
            not_replayed,
            decisions: self.decisions,
            identical: self.identical,
            verdicts: self.verdicts,
            changes: self.changes,
            rollbacks,
            phases,
            detection: self.episodes.finish(LISTED),
            unjudged: self.unjudged,
            spreads: self.spreads.finish(),
            strip: self.strip,
        }
    }
}

/// Whether anybody would act otherwise: the same verdicts, the same consequences.
fn says_the_same(old: Option<&Decision>, new: Option<&Decision>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return old.is_none() && new.is_none() };
    let verdicts = |decision: &Decision| -> Vec<(String, Verdict)> {
        decision.metrics.iter().map(|it| (it.metric.clone(), it.verdict)).collect()
    };
    (old.verdict, old.rollback_required, old.action) == (new.verdict, new.rollback_required, new.action)
        && old.violated == new.violated
        && verdicts(old) == verdicts(new)
}

/// The first rollback that each side asks for in each epoch: there is no second one in it (DE-4).
fn rollbacks(stays: &BTreeMap<Epoch, Stay>) -> Rollbacks {
    let mut found = Rollbacks::default();
    for (epoch, stay) in stays {
        let [old, new] = &stay.rollback;
        match (old, new) {
            (None, None) => continue,
            (None, Some(_)) => found.gained += 1,
            (Some(_), None) => found.lost += 1,
            (Some(old), Some(new)) if old.decided_at == new.decided_at => found.kept += 1,
            (Some(_), Some(_)) => found.moved += 1,
        }
        if found.items.len() < LISTED {
            let (phase, old, new) = (stay.phase.clone(), old.clone(), new.clone());
            found.items.push(RollbackChange { epoch: *epoch, phase, old, new });
        }
    }
    found
}

fn phases(stays: &BTreeMap<Epoch, Stay>) -> Vec<PhaseReached> {
    let reached = stays.iter().map(|(epoch, stay)| {
        let [old, new] = stay.reached;
        PhaseReached { epoch: *epoch, phase: stay.phase.clone(), old, new }
    });
    reached.take(LISTED).collect()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
