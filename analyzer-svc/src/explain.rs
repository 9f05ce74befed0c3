//! Why a decision came out as it did, and whether it comes out the same again (SLO-10).
//!
//! Reads what the decision names (its batch, the batches before it, its policy's text) and lets `recompute`
//! decide. What is told of thresholds points at the line of the policy that was in force then.

use std::collections::BTreeMap;

use domain::kinds::Kinds;
use domain::policy::place::Places;
use domain::policy::{Policy, TargetPolicy};
use domain::story::certainty;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::db::DbError;
use shared_types::batch::{Intake, Query};
use shared_types::decision::{HistoryValue, MetricVerdict, RunBefore};
use shared_types::{CollectorEvent, Decision, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::{Store, StoredBatch};
use domain::gate::ledger::whole_batches;
use domain::gate::longest_look_back;
use domain::gate::recompute::{Difference, Recomputed, recompute};

/// A decision with everything it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub decision: Decision,
    /// In the policy's order.
    pub metrics: Vec<MetricExplanation>,
    /// The batch that was judged; null if it was missing, or is no longer kept.
    pub batch: Option<JudgedBatch>,
    /// What the collector said of a batch that was missing; null if the analyzer noticed by itself.
    pub event: Option<CollectorEvent>,
    pub recomputed: Recomputed,
}

/// One metric, and where its limit stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricExplanation {
    #[serde(flatten)]
    pub verdict: MetricVerdict,
    /// Beyond this, to the side of the threshold, it is a warning, in the metric's unit; null where there is no warn band.
    pub warn_above: Option<f64>,
    /// How sure the gate is, in plain English.
    pub certainty: String,
    /// Of a version that sits exactly at its limit: the probability that at least as many attempts are bad by chance.
    pub luck: Option<f64>,
    /// Where the threshold stands in the policy that was in force; null if that is no longer kept.
    pub policy: Option<PolicyLine>,
    /// The batches before it that a mean over time looked at, oldest first.
    pub history: Vec<HistoryValue>,
}

/// A value in the text of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyLine {
    /// Such as `targets.autosave.phases[1].thresholds.save_latency_p95`.
    pub path: String,
    /// As it is written there.
    pub text: String,
    pub line: u64,
    pub column: u64,
}

/// A batch without its distributions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgedBatch {
    pub batch_hash: String,
    pub collected_at: Timestamp,
    pub received_at: Timestamp,
    pub source: String,
    pub attempts: u32,
    pub counters: BTreeMap<String, u64>,
    /// Numbers of the source, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// What the source was asked for it, with the hash of each answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    pub intake: Intake,
}

impl JudgedBatch {
    fn of(stored: &StoredBatch) -> Self {
        let batch = &stored.batch;
        Self {
            batch_hash: stored.batch_hash.clone(),
            collected_at: batch.collected_at,
            received_at: stored.received_at,
            source: batch.source.clone(),
            attempts: batch.attempts,
            counters: batch.counters.clone(),
            values: batch.values.clone(),
            queries: batch.queries.clone(),
            intake: batch.intake.clone(),
        }
    }
}

/// Explains a decision; `None` if there is none with this id.
///
/// # Errors
/// The database's.
pub async fn explain(store: &Store, kinds: &Kinds, id: Uuid) -> Result<Option<Explanation>, DbError> {
    let Some(decision) = store.decision(id).await? else { return Ok(None) };
    let text = store.policy_text(&decision.policy_version).await?;
    let read = text.as_deref().map(|text| Policy::parse_with(text, "policy", kinds));
    let policy = read.as_ref().and_then(|read| read.as_ref().ok());
    let batch = store.batch_of(id).await?;
    let event = store.event_of(id).await?;
    let recomputed = match &read {
        Some(read) => {
            let target = policy.and_then(|policy| policy.targets.get(&decision.target));
            let look_back = target.map(longest_look_back).unwrap_or_default();
            let history = store.known_to(&decision, decision.window.end.minus(look_back)).await?;
            let batch = batch.as_ref().map(|it| &it.batch);
            let mut again = recompute(&decision, batch, &history, read).differences;
            again.extend(run_differs(&decision, store.previous(&decision).await?.as_ref(), target));
            again.extend(event_differs(&decision, event.as_ref()));
            Recomputed::of(again)
        }
        None => Recomputed::impossible("policy_version", "the text of its policy is not kept"),
    };
    let metrics = metrics(&decision, text.as_deref(), policy);
    let batch = batch.as_ref().map(JudgedBatch::of);
    Ok(Some(Explanation { decision, metrics, batch, event, recomputed }))
}

fn metrics(decision: &Decision, text: Option<&str>, policy: Option<&Policy>) -> Vec<MetricExplanation> {
    let places = text.and_then(Places::of);
    let (target, phase) = (decision.target.as_str(), decision.phase.as_str());
    let warn_ratio =
        policy.and_then(|policy| policy.targets.get(&decision.target)).map(|it| it.gate.warn_ratio);
    let history = decision.evidence.as_ref().map(|it| it.history.as_slice()).unwrap_or_default();
    let explain = |verdict: &MetricVerdict| {
        let place = places.as_ref().and_then(|places| places.threshold(target, phase, &verdict.metric));
        MetricExplanation {
            warn_above: warn_ratio
                .and_then(|it| verdict.direction.warn_limit(verdict.threshold, &verdict.unit, it)),
            certainty: certainty::of_metric(verdict),
            luck: verdict.weighed.as_ref().and_then(certainty::luck),
            policy: place.map(|it| PolicyLine {
                path: it.path,
                text: it.text,
                line: it.line,
                column: it.column,
            }),
            history: history.iter().filter(|it| it.metric == verdict.metric).cloned().collect(),
            verdict: verdict.clone(),
        }
    };
    decision.metrics.iter().map(explain).collect()
}

/// The run that the decision says it went on from has to be the one that the decision before it left.
fn run_differs(
    decision: &Decision,
    previous: Option<&Decision>,
    policy: Option<&TargetPolicy>,
) -> Option<Difference> {
    let gate = previous?.gate.as_ref().filter(|_| decision.gate.is_some())?;
    let found = decision.evidence.as_ref()?.run.as_ref();
    // By evidence the gate counts short windows by their time, the run each (PH-9).
    let window = policy.filter(|it| it.gate.judge.weighs()).map(|it| it.collection.window);
    let counted = |run: &RunBefore| {
        let whole = window.map(|it| whole_batches(run.compliant_batches, run.compliant_ms, it));
        [Some(run.compliant_batches), whole].contains(&Some(gate.compliant_batches))
    };
    let agrees = found.is_some_and(|run: &RunBefore| {
        counted(run)
            && run.compliant_ms == gate.compliant_ms
            && (run.broken_by.as_ref(), run.through) == (gate.broken_by.as_ref(), gate.through)
    });
    (!agrees).then(|| Difference {
        field: "evidence.run".to_owned(),
        stored: json!(found),
        recomputed: json!(gate),
        why: Some("the decision before it left another compliant run".to_owned()),
    })
}

/// The time that was judged has to be the one that the collector reported, where it did.
fn event_differs(decision: &Decision, event: Option<&CollectorEvent>) -> Option<Difference> {
    let elapsed = decision.evidence.as_ref()?.elapsed_ms?;
    let waited = u64::try_from(decision.decided_at.since(decision.window.end).as_millis()).ok();
    // An event that came after the analyzer had noticed by itself was only answered with this decision.
    let reported = event.map(|event| event.elapsed_ms);
    let agrees = Some(elapsed) == waited || Some(elapsed) == reported;
    (!agrees).then(|| Difference {
        field: "evidence.elapsed_ms".to_owned(),
        stored: json!(elapsed),
        recomputed: json!(reported.or(waited)),
        why: Some("neither the collector's word nor the time until the decision".to_owned()),
    })
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
