//! A decision made again from what it stands on: its batch, the batches before it, its policy's text (SLO-10).
//!
//! Plain functions, so that they serve the running analyzer and an exported bundle alike. They go through the
//! gate that made the decision in the first place; what comes out otherwise is named field by field.

use std::time::Duration;

use crate::policy::{PhasePolicy, Policy, PolicyError, TargetPolicy};
use crate::stored::plain;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_types::decision::{Cause, Evidence};
use shared_types::{Batch, Decision, PhaseId, TargetName};
use utoipa::ToSchema;

use crate::gate::GateState;
use crate::gate::ledger::{self, Judged, Rules};
use crate::gate::{
    BatchError, CheckedBatch, EarlierBatch, Observed, Run, Subject, batch_hash, observe_batch,
    observe_missing,
};

/// What came out of making a decision again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recomputed {
    /// True exactly when there is no difference.
    pub same: bool,
    pub differences: Vec<Difference>,
}

/// One field that is not what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Such as `metrics[0].observed`.
    pub field: String,
    /// What the stored decision says; null if it says nothing.
    pub stored: Value,
    /// What comes out now; null if nothing does.
    pub recomputed: Value,
    /// Why nothing comes out, or what else is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Why a decision cannot be made again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecomputeError {
    #[error("the decision names no evidence")]
    NoEvidence,
    #[error("the batch it judged is not there")]
    NoBatch,
    #[error(
        "the histogram of `{0}` is no longer kept (retention.histograms); without it nothing is made again"
    )]
    LetGo(String),
    #[error("its policy cannot be read: {0}")]
    WrongPolicy(String),
    #[error("its policy has no target `{0}`")]
    NoTarget(TargetName),
    #[error("its policy has no gated phase `{0}`")]
    NoPhase(PhaseId),
    #[error("its batch cannot be judged: {0}")]
    Batch(#[from] BatchError),
}

impl RecomputeError {
    /// The field that the trouble is with.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::NoEvidence => "evidence",
            Self::NoBatch | Self::LetGo(_) | Self::Batch(_) => "evidence.batch_hash",
            Self::WrongPolicy(_) | Self::NoTarget(_) | Self::NoPhase(_) => "policy_version",
        }
    }
}

impl Recomputed {
    /// From what was found.
    #[must_use]
    pub fn of(differences: Vec<Difference>) -> Self {
        Self { same: differences.is_empty(), differences }
    }

    /// It could not be made again.
    #[must_use]
    pub fn impossible(field: &str, why: impl Into<String>) -> Self {
        let (stored, recomputed) = (Value::Null, Value::Null);
        Self::of(vec![Difference { field: field.to_owned(), stored, recomputed, why: Some(why.into()) }])
    }
}

/// Makes a decision again and compares. `batch` is the one it judged, if any; `history` what was there when it
/// was made (see [`history_before`]), of which the gate takes what it looks at; `policy` the version it names, as it was read.
#[must_use]
pub fn recompute(
    decision: &Decision,
    batch: Option<&Batch>,
    history: &[EarlierBatch],
    policy: &Result<Policy, PolicyError>,
) -> Recomputed {
    let again = policy
        .as_ref()
        .map_err(|error| RecomputeError::WrongPolicy(error.to_string()))
        .and_then(|policy| decide_again(decision, batch, history, policy));
    match again {
        Ok(again) => Recomputed::of(differences(decision, &again)),
        Err(error) => Recomputed::impossible(error.field(), error.to_string()),
    }
}

/// Of decisions with their batches, what `decision` could look at: those of its target that were made before.
pub fn history_before<'a>(
    decision: &Decision,
    known: impl IntoIterator<Item = (&'a Decision, &'a Batch)>,
) -> Vec<EarlierBatch> {
    let sequence = |decision: &Decision| decision.evidence.as_ref().map_or(0, |it| it.sequence);
    let before = |other: &Decision| other.target == decision.target && sequence(other) < sequence(decision);
    known.into_iter().filter(|(other, _)| before(other)).map(|(_, batch)| EarlierBatch::of(batch)).collect()
}

/// The decision as it comes out now, at the moment it was made.
///
/// # Errors
/// [`RecomputeError`]: something it stands on is not there.
pub fn decide_again(
    decision: &Decision,
    batch: Option<&Batch>,
    history: &[EarlierBatch],
    policy: &Policy,
) -> Result<Decision, RecomputeError> {
    let evidence = decision.evidence.as_ref().ok_or(RecomputeError::NoEvidence)?;
    let target =
        policy.targets.get(&decision.target).ok_or(RecomputeError::NoTarget(decision.target.clone()))?;
    let (subject, observed, hash, elapsed) = match decision.cause {
        Cause::Slo => {
            let batch = batch.ok_or(RecomputeError::NoBatch)?;
            if let Some(event) = batch.let_go() {
                return Err(RecomputeError::LetGo(event.to_owned()));
            }
            let phase = phase_of(target, &batch.phase)?;
            let hash = batch_hash(batch);
            // Around a change of the policy it may have been counted by another version.
            let checked = CheckedBatch::check_whoever_counted(batch.clone(), target)?;
            (Subject::of(batch), observe_batch(&checked, history, target, phase), Some(hash), None)
        }
        Cause::CollectionDelayed | Cause::RetryExhausted => missing(decision, evidence, target)?,
    };
    let phase = phase_of(target, &subject.phase)?;
    let mut state = state_before(decision, evidence);
    let rules = Rules { version: &policy.version, policy: target, phase };
    let (sequence, at) = (evidence.sequence, decision.decided_at);
    let judged = Judged { subject, observed, batch_hash: hash, elapsed_ms: elapsed, sequence, at };
    Ok(ledger::decide(&mut state, rules, judged))
}

type Found = (Subject, Observed, Option<String>, Option<u64>);

fn missing(decision: &Decision, evidence: &Evidence, target: &TargetPolicy) -> Result<Found, RecomputeError> {
    let waited = decision.decided_at.since(decision.window.end);
    let elapsed = evidence.elapsed_ms.map_or(waited, Duration::from_millis);
    let observed = observe_missing(decision.cause, elapsed, target);
    let subject = Subject {
        target: decision.target.clone(),
        phase: decision.phase.clone(),
        epoch: decision.epoch,
        window: decision.window,
    };
    Ok((subject, observed, None, u64::try_from(elapsed.as_millis()).ok()))
}

/// The target as the decision found it: with the run it names, or one of a newer epoch if it was of an old one.
fn state_before(decision: &Decision, evidence: &Evidence) -> GateState {
    let mut state = GateState::unheard(decision.target.clone());
    let run = match (&decision.gate, &evidence.run) {
        (None, _) => Some(Run::fresh(decision.epoch.saturating_add(1))),
        (Some(_), run) => run.as_ref().map(|run| Run::resume(decision.epoch, run)),
    };
    state.run = run.map(|run| (decision.phase.clone(), run));
    state
}

fn phase_of<'p>(target: &'p TargetPolicy, phase: &PhaseId) -> Result<&'p PhasePolicy, RecomputeError> {
    target.phase(phase).ok_or_else(|| RecomputeError::NoPhase(phase.clone()))
}

/// Field by field, in the decision's order.
#[must_use]
pub fn differences(stored: &Decision, again: &Decision) -> Vec<Difference> {
    if stored == again {
        return Vec::new();
    }
    let (left, right) = (plain(stored), plain(again));
    let mut found = Vec::new();
    compare(String::new(), &left, &right, &mut found);
    if left == right {
        // Unequal, yet written alike: numbers that are none.
        found.extend(Recomputed::impossible("metrics", "a value that is not a number").differences);
    }
    found
}

/// `ln` differs in its last bit between platforms (JU-12).
const NEARLY: f64 = 1e-6;

/// Whether a logarithm, or what was made with one, is the same but for that.
fn nearly(field: &str, stored: &Value, again: &Value) -> bool {
    let is_weighed = field.starts_with("metrics[") && field.ends_with("].evidence")
        || field.starts_with("gate.stay_over[") && field.ends_with("].luck");
    match (stored.as_f64(), again.as_f64()) {
        (Some(stored), Some(again)) if is_weighed => (stored - again).abs() <= NEARLY * stored.abs().max(1.0),
        _ => false,
    }
}

fn compare(field: String, stored: &Value, again: &Value, found: &mut Vec<Difference>) {
    match (stored, again) {
        (Value::Object(left), Value::Object(right)) => {
            let others = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(others) {
                let name = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
                let side = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                compare(name, &side(left), &side(right), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in std::iter::zip(left, right).enumerate() {
                compare(format!("{field}[{index}]"), left, right, found);
            }
        }
        _ if stored == again || nearly(&field, stored, again) => {}
        _ => found.push(Difference { field, stored: stored.clone(), recomputed: again.clone(), why: None }),
    }
}
