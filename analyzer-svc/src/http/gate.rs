//! How far a target's success condition is.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiError, Json, Path};
use shared_types::decision::GateProgress;
use shared_types::{PhaseId, TargetName};
use utoipa::ToSchema;

use crate::analyzer::Analyzer;
use domain::gate::watch::Watch;

/// A target's gate, as the newest epoch has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetGate {
    pub target: TargetName,
    /// The phase of the newest epoch that was heard of; null if none was yet.
    pub phase: Option<PhaseId>,
    /// Needed, reached, and what broke it last; null if nothing was judged yet.
    pub gate: Option<GateProgress>,
    /// The batch that is expected next; null if none is.
    pub expected: Option<Watch>,
}

/// How far the success condition of the current epoch is
#[utoipa::path(
    get,
    path = "/v1/targets/{target}/gate",
    tag = "history",
    params(("target" = TargetName, Path, description = "A target of the policy")),
    responses((status = 200, description = "The gate", body = TargetGate))
)]
pub(super) async fn get_gate(
    State(analyzer): State<Analyzer>,
    Path(target): Path<TargetName>,
) -> Result<Json<TargetGate>, ApiError> {
    let in_force = analyzer.policy();
    let policy = in_force.targets.get(&target);
    let policy = policy.ok_or_else(|| ApiError::not_found(format!("the policy has no target `{target}`")))?;
    let state = analyzer.store().target(&target).await?;
    let gate = state.run.as_ref().and_then(|(phase, run)| {
        // A phase that the policy no longer has asks for nothing.
        policy.phase(phase).map(|phase| run.progress(phase.advance.condition))
    });
    let phase = state.run.map(|(phase, _)| phase);
    Ok(Json(TargetGate { target, phase, gate, expected: state.watch }))
}
