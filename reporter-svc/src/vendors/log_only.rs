//! What stands in for a vendor that is not configured: the effect goes to the log, and is done (NO-6).

use async_trait::async_trait;
use serde_json::json;
use service_kit::outbox::Outcome;

use crate::ports::{Messenger, Pager};
use domain::effects::{CheckPageAcknowledged, ResolvePage, SetPagePriority, TellSlackUser, TriggerPage};

/// Neither Slack nor PagerDuty, but the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogOnly;

#[async_trait]
impl Messenger for LogOnly {
    async fn tell(&self, it: &TellSlackUser) -> Outcome {
        tracing::info!(user = it.user, text = it.text, "slack is not configured: answer");
        logged()
    }
}

#[async_trait]
impl Pager for LogOnly {
    async fn trigger(&self, page: &TriggerPage) -> Outcome {
        let TriggerPage { incident, priority, summary, .. } = page;
        tracing::warn!(%incident, priority, summary, "pagerduty is not configured: page");
        logged()
    }

    async fn set_priority(&self, priority: &SetPagePriority) -> Outcome {
        let SetPagePriority { incident, priority, .. } = priority;
        tracing::info!(%incident, priority, "pagerduty is not configured: priority");
        logged()
    }

    async fn resolve(&self, page: &ResolvePage) -> Outcome {
        tracing::info!(incident = %page.incident, "pagerduty is not configured: resolved");
        logged()
    }

    async fn acknowledged(&self, _page: &CheckPageAcknowledged) -> Outcome {
        Outcome::Done(serde_json::Value::Null)
    }
}

fn logged() -> Outcome {
    Outcome::Done(json!({ "logged": true }))
}
