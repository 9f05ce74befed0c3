//! What the analyzer has to say of a new policy: batches that are expected must be judgeable by it (PO-2).

use std::sync::Arc;

use async_trait::async_trait;
use domain::gate::GateState;
use domain::policy::Standing;
use service_kit::db::DbError;
use service_kit::rules::{PolicySubscriber, PolicyVersions, Rules};
use shared_types::TargetName;

use crate::metrics;
use crate::store::Store;

/// See the module.
pub struct WatchSubscriber {
    pub store: Store,
    pub versions: PolicyVersions,
}

#[async_trait]
impl PolicySubscriber for WatchSubscriber {
    async fn objection(&self, next: &Rules) -> Result<Option<String>, DbError> {
        let targets: Vec<TargetName> = self.versions.current().policy.targets.keys().cloned().collect();
        for GateState { target, watch, .. } in self.store.targets(&targets).await? {
            let standing = watch.and_then(|watch| Standing::in_phase(&target, &watch.phase));
            let standing: Vec<Standing> = standing.into_iter().collect();
            if let Some(objection) = next.policy.objection(&standing) {
                return Ok(Some(objection));
            }
        }
        Ok(None)
    }

    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError> {
        metrics::begin(&next.policy);
        Ok(())
    }
}
