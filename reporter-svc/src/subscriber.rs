//! What the reporter has to say of a new policy, and does for it: a rollout's ground may not vanish below it, and the
//! audit log tells of each version (PO-2, GO-4).

use std::sync::Arc;

use async_trait::async_trait;
use domain::audit::AuditDraft;
use domain::policy::Standing;
use serde_json::json;
use service_kit::clock::Clock;
use service_kit::db::DbError;
use service_kit::rules::{Adoption, PolicySubscriber, PolicyVersions, Rules, RulesId};
use shared_types::audit::SERVICE_STREAM;
use shared_types::story::Deed;
use shared_types::{Actor, PhaseId, TargetName};

use crate::counters;
use crate::store::{AuditFilter, Store};
use domain::rollout::{Stage, TargetState, Transition};

const PAGE: u32 = 500;

/// See the module.
pub struct RolloutSubscriber {
    pub store: Store,
    pub versions: PolicyVersions,
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl PolicySubscriber for RolloutSubscriber {
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

    /// The rows of targets that are new, and what the audit log says of the versions.
    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError> {
        let targets: Vec<TargetName> = next.policy.targets.keys().cloned().collect();
        self.store.ensure_targets(&targets, self.clock.now()).await?;
        counters::begin(targets.iter());
        self.note_adoptions().await
    }
}

impl RolloutSubscriber {
    /// GO-4: each version taken over is one row, whichever replica sees it first and however often it is looked at. The
    /// row is there before this replica goes by the version; one that was left out, by a crash say, is made up for.
    async fn note_adoptions(&self) -> Result<(), DbError> {
        let filter = AuditFilter {
            stream: Some(SERVICE_STREAM.to_owned()),
            action: Some(Deed::PolicyAdopted.to_string()),
            ..AuditFilter::default()
        };
        let newest = self.store.audit(&filter, None, 1).await?.pop();
        let noted = newest.and_then(|row| row.detail["number"].as_i64()).unwrap_or(0);
        for adoption in self.versions.adoptions(noted).await? {
            self.store.note_once(None, adopted(&adoption), self.clock.now()).await?;
        }
        Ok(())
    }

    /// An incident that is over still has its root cause analysis before it.
    async fn unfinished(&self, target: &TargetName) -> Result<Option<Standing>, DbError> {
        let found = self.store.unfinished_incident(target).await?;
        Ok(found.map(|it| asks_for_the_target(target, format!("{} is not closed", it.id))))
    }
}

/// What the audit log says of a version taken over: the hashes of the policy and of its texts, from and to.
fn adopted(adoption: &Adoption) -> AuditDraft {
    let Adoption { number, in_force_from, before, id } = adoption;
    let texts = |id: &RulesId| Some(id.texts_version.clone()).filter(|it| !it.is_empty());
    AuditDraft {
        actor: Actor::phasegate(),
        action: Deed::PolicyAdopted,
        subject: Some(id.version.clone()),
        detail: json!({
            "number": number,
            "in_force_from": in_force_from,
            "version": [before.as_ref().map(|it| &it.version), id.version],
            "texts_version": [before.as_ref().and_then(texts), texts(id)],
        }),
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
