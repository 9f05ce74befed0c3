//! The result of a backtest, as it is answered.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use shared_types::decision::Cause;
use shared_types::{Decision, Epoch, PhaseId, TargetName, Timestamp, Verdict, Window};
use utoipa::ToSchema;
use uuid::Uuid;

use super::spread::MeasuredSpread;
use super::unknown::NotReplayed;

/// Which past was asked about.
#[derive(Debug, Clone)]
pub struct About {
    pub target: TargetName,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What was decided against what would have been: `old` and `new` throughout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backtest {
    pub target: TargetName,
    /// Windows that begin at or after this, and before `to`.
    pub from: Timestamp,
    pub to: Timestamp,
    /// The version of the new policy; null: each decision was made again under its own.
    pub policy: Option<String>,
    /// The versions of the old side.
    pub compared_with: Vec<String>,
    /// Whether nobody would have acted otherwise, and all of it could be replayed.
    pub same: bool,
    /// Whether somebody would have acted otherwise.
    #[serde(default)]
    pub differs: bool,
    /// What could not be replayed; each reason once.
    #[serde(default)]
    pub not_replayed: Vec<NotReplayed>,
    /// Decisions looked at.
    pub decisions: u64,
    /// Those that come out the same to the last bit, their policy's version included.
    pub identical: u64,
    pub verdicts: Verdicts,
    pub changes: Changes,
    pub rollbacks: Rollbacks,
    /// When the success condition of each epoch held first.
    pub phases: Vec<PhaseReached>,
    pub detection: Detection,
    pub unjudged: UnjudgedWindows,
    /// Of each metric whose attempts were weighed, by name.
    #[serde(default)]
    pub spreads: Vec<MeasuredSpread>,
    pub strip: Strip,
}

/// Decisions by verdict, on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdicts {
    pub old: VerdictCounts,
    pub new: VerdictCounts,
}

/// Decisions by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictCounts {
    pub ok: u64,
    pub insufficient: u64,
    pub warn: u64,
    #[serde(default)]
    pub unsure: u64,
    pub violation: u64,
}

impl VerdictCounts {
    pub(super) fn count(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Ok => &mut self.ok,
            Verdict::Insufficient => &mut self.insufficient,
            Verdict::Warn => &mut self.warn,
            Verdict::Unsure => &mut self.unsure,
            Verdict::Violation => &mut self.violation,
        };
        *count += 1;
    }
}

/// Decisions on which somebody would have acted otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// All of them, listed or not.
    pub total: u64,
    /// In the order in which they were made, as many as were asked for.
    pub items: Vec<Change>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    pub decision_id: Uuid,
    pub window: Window,
    pub phase: PhaseId,
    pub epoch: Epoch,
    pub cause: Cause,
    /// Null: there was no such decision.
    pub old: Option<Said>,
    /// Null: there would be none.
    pub new: Option<Said>,
    /// The metrics whose verdict changes.
    pub metrics: Vec<ChangedMetric>,
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    pub verdict: Verdict,
    pub rollback_required: bool,
    /// Worst first.
    pub violated: Vec<String>,
    pub decided_at: Timestamp,
}

/// A metric whose verdict changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedMetric {
    pub metric: String,
    pub unit: String,
    pub observed: Option<f64>,
    pub old_threshold: Option<f64>,
    pub new_threshold: Option<f64>,
    pub old: Option<Verdict>,
    pub new: Option<Verdict>,
}

impl Change {
    pub(super) fn of(any: &Decision, old: Option<&Decision>, new: Option<&Decision>) -> Self {
        Self {
            decision_id: any.decision_id,
            window: any.window,
            phase: any.phase.clone(),
            epoch: any.epoch,
            cause: any.cause,
            old: old.map(Said::of),
            new: new.map(Said::of),
            metrics: changed_metrics(old, new),
        }
    }
}

fn changed_metrics(old: Option<&Decision>, new: Option<&Decision>) -> Vec<ChangedMetric> {
    let metrics = |side: Option<&Decision>| side.map(|it| it.metrics.clone()).unwrap_or_default();
    let (old, new) = (metrics(old), metrics(new));
    let mut names: Vec<&str> = old.iter().map(|it| it.metric.as_str()).collect();
    names.extend(
        new.iter().map(|it| it.metric.as_str()).filter(|name| old.iter().all(|it| it.metric != *name)),
    );
    let changed = names.into_iter().filter_map(|name| {
        let of = |side: &[shared_types::decision::MetricVerdict]| {
            side.iter().find(|it| it.metric == name).cloned()
        };
        let (old, new) = (of(&old), of(&new));
        let any = new.as_ref().or(old.as_ref())?;
        let verdict =
            |side: &Option<shared_types::decision::MetricVerdict>| side.as_ref().map(|it| it.verdict);
        (verdict(&old) != verdict(&new)).then(|| ChangedMetric {
            metric: name.to_owned(),
            unit: any.unit.clone(),
            observed: any.observed,
            old_threshold: old.as_ref().map(|it| it.threshold),
            new_threshold: new.as_ref().map(|it| it.threshold),
            old: verdict(&old),
            new: verdict(&new),
        })
    });
    changed.collect()
}

impl Said {
    fn of(decision: &Decision) -> Self {
        Self {
            verdict: decision.verdict,
            rollback_required: decision.rollback_required,
            violated: decision.violated.clone(),
            decided_at: decision.decided_at,
        }
    }
}

/// Rollbacks that the gate asks for, the first of each epoch: no second one follows in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rollbacks {
    /// At the same time on both sides.
    pub kept: u64,
    /// Only on the new side.
    pub gained: u64,
    /// Only on the old side.
    pub lost: u64,
    /// On both sides, at another time.
    pub moved: u64,
    pub items: Vec<RollbackChange>,
}

/// The first rollback of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RollbackChange {
    pub epoch: Epoch,
    pub phase: String,
    pub old: Option<Required>,
    pub new: Option<Required>,
}

/// When a rollback is asked for, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Required {
    pub window: Window,
    pub decided_at: Timestamp,
    /// The worst violated metric; the cause where there is none.
    pub metric: String,
}

impl Required {
    pub(super) fn of(decision: &Decision) -> Self {
        let metric = decision.violated.first().cloned();
        Self {
            window: decision.window,
            decided_at: decision.decided_at,
            metric: metric.unwrap_or_else(|| decision.cause.as_str().to_owned()),
        }
    }
}

/// When an epoch's success condition held first; null: it never did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhaseReached {
    pub epoch: Epoch,
    pub phase: String,
    pub old: Option<Timestamp>,
    pub new: Option<Timestamp>,
}

/// How soon bad stretches were noticed: stretches of windows of an epoch that violate on at least one side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detection {
    pub episodes: u64,
    pub old: Detected,
    pub new: Detected,
    pub items: Vec<Episode>,
}

/// Times from the start of a stretch's first window to the first violating decision on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detected {
    /// Stretches that were noticed.
    pub noticed: u64,
    pub median_ms: Option<u64>,
    pub worst_ms: Option<u64>,
}

/// One bad stretch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Episode {
    pub epoch: Epoch,
    pub phase: PhaseId,
    /// The start of its first window, and the end of its last.
    pub start: Timestamp,
    pub end: Timestamp,
    /// From its start to the first violating decision; null: not noticed.
    pub old_delay_ms: Option<u64>,
    pub new_delay_ms: Option<u64>,
}

/// Windows that the new policy cannot judge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnjudgedWindows {
    pub total: u64,
    pub items: Vec<Unjudged>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unjudged {
    pub window: Window,
    pub phase: PhaseId,
    pub why: String,
}

/// Every decision in three columns, the newest ones: `o` ok, `i` insufficient, `w` warn, `u` unsure, `v` violation, `-` none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Strip {
    /// Starts of the windows, in milliseconds since 1970.
    #[schema(value_type = Vec<i64>)]
    pub start_ms: VecDeque<i64>,
    pub old: String,
    pub new: String,
}

impl Strip {
    pub(super) fn push(
        &mut self,
        any: &Decision,
        old: Option<&Decision>,
        new: Option<&Decision>,
        limit: usize,
    ) {
        if limit == 0 {
            return;
        }
        if self.start_ms.len() == limit {
            self.start_ms.pop_front();
            self.old.remove(0);
            self.new.remove(0);
        }
        self.start_ms.push_back(any.window.start.as_millis());
        self.old.push(letter(old));
        self.new.push(letter(new));
    }
}

fn letter(side: Option<&Decision>) -> char {
    match side.map(|it| it.verdict) {
        None => '-',
        Some(Verdict::Ok) => 'o',
        Some(Verdict::Insufficient) => 'i',
        Some(Verdict::Warn) => 'w',
        Some(Verdict::Unsure) => 'u',
        Some(Verdict::Violation) => 'v',
    }
}
