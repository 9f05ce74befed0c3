//! What stands in for a pager that is not configured: the page goes to the log, and is done (NO-6).

use async_trait::async_trait;
use domain::effects::{CheckPageAcknowledged, PageNotice, ResolvePage, SetPagePriority, TriggerPage};
use serde_json::json;
use service_kit::outbox::Outcome;
use shared_types::Via;

use super::Pager;
use crate::ways::Look;

/// Writes pages to the log.
#[derive(Debug, Clone, Copy)]
pub struct LogPager {
    /// The name of the pager that is not configured.
    pub stands_for: &'static str,
    pub via: Via,
}

#[async_trait]
impl Pager for LogPager {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        let TriggerPage { incident, priority, summary, .. } = page;
        tracing::warn!(%incident, priority, summary, "{} is not configured: page", self.stands_for);
        logged()
    }

    async fn notice(&self, notice: &PageNotice) -> Outcome {
        let PageNotice { target, summary, .. } = notice;
        tracing::warn!(target_name = %target, summary, "{} is not configured: page", self.stands_for);
        logged()
    }

    async fn look(&self) -> Look {
        Look::warning(format!("{} is not configured: pages go to the reporter's log only", self.stands_for))
    }

    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome {
        let SetPagePriority { incident, priority, .. } = priority;
        tracing::info!(%incident, priority, "{} is not configured: priority", self.stands_for);
        logged()
    }

    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        tracing::info!(incident = %page.incident, "{} is not configured: resolved", self.stands_for);
        logged()
    }

    async fn acknowledged(&self, _page: &CheckPageAcknowledged) -> Outcome {
        Outcome::Done(serde_json::Value::Null)
    }

    fn via(&self) -> Via {
        self.via
    }
}

fn logged() -> Outcome {
    Outcome::Done(json!({ "logged": true }))
}
