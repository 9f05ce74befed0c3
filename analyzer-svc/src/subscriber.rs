//! What the analyzer has to say of a new policy: batches that are expected must be judgeable by it (PO-2).

use std::sync::Arc;

use async_trait::async_trait;
use domain::policy::Standing;
use service_kit::db::DbError;
use service_kit::rules::{PolicySubscriber, PolicyVersions, Rules};

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
        for target in self.versions.current().policy.targets.keys() {
            let expected = self.store.target(target).await?.watch;
            let standing = expected.and_then(|watch| Standing::in_phase(target, &watch.phase));
            let standing: Vec<Standing> = standing.into_iter().collect();
            if let Some(objection) = next.policy.objection(&standing) {
                return Ok(Some(objection));
            }
        }
        Ok(None)
    }

    async fn prepare(&self, next: &Arc<Rules>) -> Result<(), DbError> {
        next.policy.targets.iter().for_each(|(target, policy)| metrics::begin(target, policy));
        Ok(())
    }
}
