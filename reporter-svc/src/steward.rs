//! What the reporter has to say of a new policy: a rollout's ground may not vanish below it (PO-2).

use std::sync::Arc;

use async_trait::async_trait;
use service_kit::clock::Clock;
use service_kit::db::DbError;
use service_kit::policy::Standing;
use service_kit::rules::{Rules, Steward};
use shared_types::incident::IncidentState;
use shared_types::{PhaseId, TargetName};

use crate::machine::{Stage, TargetState, Transition};
use crate::store::{IncidentFilter, SharedStore};

const PAGE: u32 = 500;

/// See the module.
pub struct RolloutSteward {
    pub store: SharedStore,
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Steward for RolloutSteward {
    async fn objection(&self, next: &Rules) -> Result<Option<String>, DbError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.targets(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = Some(last.state.target.to_string());
            for stored in &page {
                let mut standing = standing(&stored.state);
                if !next.policy.targets.contains_key(&stored.state.target) {
                    standing.extend(self.unfinished(&stored.state.target).await?);
                }
                if let Some(objection) = next.policy.objection(&standing) {
                    return Ok(Some(objection));
                }
            }
        }
    }

    /// The rows of targets that are new.
    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError> {
        let targets: Vec<TargetName> = next.policy.targets.keys().cloned().collect();
        self.store.ensure_targets(&targets, self.clock.now()).await
    }
}

impl RolloutSteward {
    /// A recovered incident still has its root cause analysis before it.
    async fn unfinished(&self, target: &TargetName) -> Result<Option<Standing>, DbError> {
        let filter = IncidentFilter { target: Some(target.clone()), state: Some(IncidentState::Recovered) };
        let found = self.store.incidents(&filter, None, 1).await?;
        Ok(found.first().map(|it| asks_for_the_target(target, format!("{} is not closed", it.id))))
    }
}

/// What a rollout stands on.
fn standing(state: &TargetState) -> Vec<Standing> {
    let mut all: Vec<Standing> = Standing::in_phase(&state.target, &state.phase).into_iter().collect();
    let moves: Vec<&Transition> = match &state.stage {
        Stage::Superseded { promotion, rollback } => vec![promotion, rollback],
        other => other.transition().into_iter().collect(),
    };
    for it in moves {
        let why = format!("a move from {} to {} is under way", it.from, it.to);
        for phase in [&it.from, &it.to] {
            all.push(Standing { target: state.target.clone(), phase: phase.clone(), why: why.clone() });
        }
    }
    all.extend(state.incident.iter().map(|id| asks_for_the_target(&state.target, format!("{id} is open"))));
    all
}

fn asks_for_the_target(target: &TargetName, why: String) -> Standing {
    Standing { target: target.clone(), phase: PhaseId::off(), why }
}
