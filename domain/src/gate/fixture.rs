//! Policies and batches for the gate's tests.
#![allow(clippy::unwrap_used, missing_docs, clippy::must_use_candidate, reason = "only tests use it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use events::in_variant;

use crate::policy::{PhasePolicy, Policy, TargetPolicy};
use shared_types::batch::{Distribution, Intake, SCHEMA};
use shared_types::decision::Cause;
use shared_types::{Batch, Histogram, PhaseId, TargetName, Timestamp, Window};

use super::{CheckedBatch, EarlierBatch, Judgement, judge, observe_batch, observe_missing};

pub const COMPLETED: &str = "autosave.save.completed";
pub const ERROR: &str = "autosave.save.error";
pub const DRIFT: &str = "autosave.history.drift";
pub const WINDOW: Duration = Duration::from_secs(900);

/// 2026-11-22T10:00Z.
pub fn ten_o_clock() -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap()
}

/// The `n`th 15 min window from ten o'clock.
pub fn window(n: u32) -> Window {
    let start = ten_o_clock().plus(WINDOW * n);
    Window { start, end: start.plus(WINDOW) }
}

fn load(path: &str) -> Policy {
    Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The policy by the letter of the source document: each window is judged for itself.
pub fn whole_policy() -> Policy {
    static LITERAL: LazyLock<Policy> = LazyLock::new(|| load("examples/policies/source-document.yaml"));
    LITERAL.clone()
}

/// The shipped policy: windows are judged by evidence.
pub fn shipped_policy() -> Policy {
    static SHIPPED: LazyLock<Policy> = LazyLock::new(|| load("governance/policy.yaml"));
    SHIPPED.clone()
}

/// A policy's text, with a source that gives a number of that name.
pub fn with_source_of(text: &str, number: &str) -> String {
    let shipped = r#"{ jsonl: { paths: ["telemetry/autosave/*.jsonl"] } }"#;
    let giving = format!("{{ prometheus: {{ url: \"http://p\", values: {{ {number}: x }} }} }}");
    assert!(text.contains(shipped), "{text}");
    text.replacen(shipped, &giving, 1)
}

/// The shipped policy with a control group: events of the variant `control`.
pub fn policy_with_control() -> Policy {
    load("examples/policies/control-group.yaml")
}

/// Its only target.
pub fn with_control() -> TargetPolicy {
    policy_with_control().targets.into_values().next().unwrap()
}

/// The only target of [`shipped_policy`].
pub fn shipped() -> TargetPolicy {
    shipped_policy().targets.into_values().next().unwrap()
}

/// The first window of an epoch.
pub fn judge_batch(
    batch: &CheckedBatch,
    earlier: &[EarlierBatch],
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    judge(&observe_batch(batch, earlier, policy, phase), batch.batch().window, None, policy, phase)
}

/// The first window of an epoch, and it did not come.
pub fn judge_missing(
    cause: Cause,
    elapsed: Duration,
    policy: &TargetPolicy,
    phase: &PhasePolicy,
) -> Judgement {
    judge(&observe_missing(cause, elapsed, policy), window(0), None, policy, phase)
}

/// The only target of [`whole_policy`].
pub fn policy() -> TargetPolicy {
    whole_policy().targets.into_values().next().unwrap()
}

pub fn autosave() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

/// What a batch of the tests holds; the default is a healthy window.
#[derive(Debug, Clone)]
pub struct Counts {
    pub phase: &'static str,
    pub epoch: u64,
    pub window: Window,
    /// Every save takes this long.
    pub save_ms: f64,
    pub completed: u64,
    pub errors: u64,
    pub drift: u64,
    pub latency_ms: u64,
    /// Of the session with most errors, its errors and its attempts; every other error is a session's own.
    pub session: Option<(u64, u64)>,
    /// Errors and attempts of the variant `control`.
    pub control: Option<(u64, u64)>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            phase: "A",
            epoch: 1,
            window: window(0),
            save_ms: 500.0,
            completed: 1000,
            errors: 0,
            drift: 0,
            latency_ms: 31_250,
            session: None,
            control: None,
        }
    }
}

impl Counts {
    pub fn batch(&self) -> Batch {
        let mut histogram = Histogram::default();
        for _ in 0..self.completed {
            histogram.record(self.save_ms);
        }
        let quantile = |q| histogram.quantile(q).unwrap();
        let distribution = || Distribution {
            unit: "ms".into(),
            count: self.completed,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: self.save_ms,
            histogram: histogram.encode(),
        };
        let distributions = (self.completed > 0).then(|| (COMPLETED.to_owned(), distribution()));
        let mut counters = BTreeMap::from([
            (COMPLETED.into(), self.completed),
            (ERROR.into(), self.errors),
            (DRIFT.into(), self.drift),
        ]);
        if let Some((bad, attempts)) = self.control {
            counters.insert(in_variant(ERROR, "control"), bad);
            counters.insert(in_variant(COMPLETED, "control"), attempts - bad);
        }
        let sessions = self.session.map(|(top, top_attempts)| {
            let others = self.errors - top;
            let counted = [
                ("distinct", 1 + others),
                ("top", top),
                ("top_attempts", top_attempts),
                ("squares", top * top + others),
            ];
            let counted = counted.map(|(key, count)| (key.to_owned(), count)).into();
            (ERROR.to_owned(), BTreeMap::from([("session".to_owned(), counted)]))
        });
        Batch {
            schema: SCHEMA.into(),
            target: autosave(),
            phase: PhaseId::parse(self.phase).unwrap(),
            epoch: self.epoch,
            window: self.window,
            counters,
            distributions: distributions.into_iter().collect(),
            buckets: BTreeMap::new(),
            breakdowns: sessions.into_iter().collect(),
            values: BTreeMap::new(),
            queries: Vec::new(),
            intake: Intake::default(),
            collector_latency_ms: self.latency_ms,
            attempts: 1,
            source: "http".into(),
            collected_at: self.window.end.plus(Duration::from_millis(self.latency_ms)),
            next_window: Some(Window { start: self.window.end, end: self.window.end.plus(WINDOW) }),
            policy_version: None,
        }
    }

    pub fn checked(&self) -> CheckedBatch {
        CheckedBatch::check(self.batch(), &policy()).unwrap()
    }
}

pub fn earlier(epoch: u64, window: Window, drift: u64) -> EarlierBatch {
    EarlierBatch { epoch, window, counters: BTreeMap::from([(DRIFT.into(), drift)]) }
}
