//! The gate tried on a fixture: judges what a file holds, and says what would follow. Sends and stores
//! nothing (SLO-11).
//!
//! A fixture is lines: either batches, as in `logs/<target>/`, or raw telemetry events, which are counted into
//! batches as the collector does. Everything after that is the gate itself, and what follows is played by the reporter's
//! own functions ([`react`]).

mod reaction;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::{Policy, TargetPolicy};
use crate::telemetry::batches::{self, CountError};
use serde_json::Value;
use shared_types::batch::SCHEMA;
use shared_types::{Batch, Decision, PhaseId, TargetName, Timestamp, Verdict, Window};

use crate::gate::GateState;
use crate::gate::ledger::{self, Judged, Rules};
use crate::gate::{BatchError, CheckedBatch, EarlierBatch, Subject, batch_hash, observe_batch};

pub use reaction::{Message, Paging, Reaction, Rollback, react};
pub use text::render;

/// Earlier values that the decisions of one fixture may name as their evidence, together.
const EVIDENCE_MAX: usize = 500_000;

/// Why a fixture cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error("the policy has no target `{0}`")]
    UnknownTarget(TargetName),
    #[error("the policy has no gated phase `{phase}` of `{target}`")]
    UnknownPhase { target: TargetName, phase: PhaseId },
    #[error("the fixture holds no batches and no events")]
    Empty,
    #[error("line {line}: not a batch")]
    NotABatch { line: usize, source: serde_json::Error },
    #[error("line {line}: a batch of `{found}`, not of `{expected}`")]
    OtherTarget { line: usize, found: TargetName, expected: TargetName },
    #[error("line {line}")]
    Batch { line: usize, source: BatchError },
    #[error("line {line}: another batch for {window}")]
    Different { line: usize, window: Window },
    #[error(
        "line {line}: the windows up to here look back on more than {EVIDENCE_MAX} values; give fewer windows"
    )]
    TooMuchEvidence { line: usize },
    #[error(transparent)]
    Events(#[from] CountError),
}

/// What a fixture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixtureKind {
    /// Lines of `phasegate.batch/1`.
    Batches,
    /// Telemetry events, or what wants to be.
    Events,
}

/// Tells the kinds apart by the first line that is not blank.
#[must_use]
pub fn kind_of(fixture: &[u8]) -> FixtureKind {
    let first = fixture.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let first: Option<Value> = first.and_then(|line| serde_json::from_slice(line).ok());
    let is_batch = first.is_some_and(|line| line.get("schema").is_some_and(|schema| schema == SCHEMA));
    if is_batch { FixtureKind::Batches } else { FixtureKind::Events }
}

/// Judges a fixture as if its windows had been served in `phase`.
///
/// # Errors
/// [`DryRunError`], with the line.
pub fn dry_run(
    policy: &Policy,
    target: &TargetName,
    phase: &PhaseId,
    fixture: &[u8],
) -> Result<Vec<Decision>, DryRunError> {
    let target_policy = target_policy(policy, target)?;
    let batches = match kind_of(fixture) {
        FixtureKind::Batches => parse_batches(fixture)?,
        FixtureKind::Events => {
            let counted = batches::count(fixture, target, phase, target_policy)?;
            std::iter::zip(1.., counted.batches).collect()
        }
    };
    judge_all(policy, target, phase, batches)
}

/// Judges batches in the order of their windows; each sees those before it as its history. A batch is named
/// by its line (or number) in errors.
///
/// # Errors
/// [`DryRunError`].
pub fn judge_all(
    policy: &Policy,
    target: &TargetName,
    phase: &PhaseId,
    mut batches: Vec<(usize, Batch)>,
) -> Result<Vec<Decision>, DryRunError> {
    let target_policy = target_policy(policy, target)?;
    let phase_policy = target_policy
        .phase(phase)
        .ok_or_else(|| DryRunError::UnknownPhase { target: target.clone(), phase: phase.clone() })?;
    if batches.is_empty() {
        return Err(DryRunError::Empty);
    }
    batches.sort_by_key(|(_, batch)| batch.window);
    let rules = Rules { version: &policy.version, policy: target_policy, phase: phase_policy };
    let mut state = GateState::unheard(target.clone());
    let mut earlier: Vec<EarlierBatch> = Vec::new();
    let mut seen: BTreeMap<Timestamp, String> = BTreeMap::new();
    let (mut decisions, mut evidence) = (Vec::new(), 0);
    for (line, mut batch) in batches {
        if &batch.target != target {
            return Err(DryRunError::OtherTarget { line, found: batch.target, expected: target.clone() });
        }
        batch.phase = phase.clone();
        let hash = batch_hash(&batch);
        match seen.insert(batch.window.start, hash.clone()) {
            Some(before) if before == hash => continue,
            Some(_) => return Err(DryRunError::Different { line, window: batch.window }),
            None => {}
        }
        let batch = CheckedBatch::check(batch, target_policy)
            .map_err(|source| DryRunError::Batch { line, source })?;
        let observed = observe_batch(&batch, &earlier, target_policy, phase_policy);
        evidence += observed.metrics.iter().map(|it| it.observation.history.len()).sum::<usize>();
        if evidence > EVIDENCE_MAX {
            return Err(DryRunError::TooMuchEvidence { line });
        }
        let subject = Subject::of(batch.batch());
        let batch = batch.into_batch();
        let at = batch.window.end.plus(Duration::from_millis(batch.collector_latency_ms));
        let sequence = decisions.len() as u64 + 1;
        let judged = Judged { subject, observed, batch_hash: Some(hash), elapsed_ms: None, sequence, at };
        decisions.push(ledger::decide(&mut state, rules, judged));
        earlier.push(EarlierBatch::of(&batch));
    }
    Ok(decisions)
}

fn target_policy<'p>(policy: &'p Policy, target: &TargetName) -> Result<&'p TargetPolicy, DryRunError> {
    policy.targets.get(target).ok_or_else(|| DryRunError::UnknownTarget(target.clone()))
}

fn parse_batches(fixture: &[u8]) -> Result<Vec<(usize, Batch)>, DryRunError> {
    let lines = std::iter::zip(1.., fixture.split(|byte| *byte == b'\n'));
    lines
        .filter(|(_, text)| !text.trim_ascii().is_empty())
        .map(|(line, text)| {
            let batch =
                serde_json::from_slice(text).map_err(|source| DryRunError::NotABatch { line, source })?;
            Ok((line, batch))
        })
        .collect()
}

/// The worst verdict: violation > unsure > warn > insufficient > ok (SLO-3).
#[must_use]
pub fn worst(decisions: &[Decision]) -> Verdict {
    decisions.iter().map(|decision| decision.verdict).max().unwrap_or(Verdict::Insufficient)
}

/// The exit status of a verdict: 0 ok, 1 warn, 2 violation, 3 insufficient, 4 unsure (JU-4).
#[must_use]
pub fn exit_status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::Warn => 1,
        Verdict::Violation => 2,
        Verdict::Insufficient => 3,
        Verdict::Unsure => 4,
    }
}

#[cfg(test)]
mod tests;
