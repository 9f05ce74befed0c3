//! Vendors against real servers: one contract for all of them, and each against its double.

mod canned;
mod contract;
mod pagerduty;
mod slack;

use std::time::Duration;

use serde_json::json;
use service_kit::clock::ManualClock;
use shared_types::{IncidentId, TargetName, Timestamp};
use uuid::Uuid;

use super::pagerduty::{PagerDuty, PagerDutyRestSettings, PagerDutySettings};
use super::slack::{Slack, SlackAccess, SlackSettings};
use domain::effects::{CheckPageAcknowledged, PostMessage, ResolvePage, Severity, TriggerPage};

const TIMEOUT: Duration = Duration::from_secs(20);

fn clock() -> std::sync::Arc<ManualClock> {
    std::sync::Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T10:15:31Z").unwrap()))
}

fn incident() -> IncidentId {
    IncidentId::parse("INC-20261122-001").unwrap()
}

fn target() -> TargetName {
    TargetName::parse("autosave").unwrap()
}

const KEY: &str = "phasegate/autosave/INC-20261122-001";

fn message(channel: &str, text: &str) -> PostMessage {
    PostMessage {
        notification: Uuid::nil(),
        target: target(),
        notifier: "slack".to_owned(),
        channel: channel.to_owned(),
        text: text.to_owned(),
        buttons: Vec::new(),
        incident: None,
        after_dashboard: None,
    }
}

pub(super) fn page() -> TriggerPage {
    TriggerPage {
        notification: Uuid::nil(),
        incident: incident(),
        target: target(),
        dedup_key: KEY.to_owned(),
        summary: "AutoSave B violation: save_latency_p95".to_owned(),
        source: "phasegate/autosave".to_owned(),
        service: "AutoSave".to_owned(),
        severity: Severity::Error,
        priority: "P2".to_owned(),
        template: "autosave-incident".to_owned(),
        text: "🚨 AutoSave B violation".to_owned(),
        rollback_command: Some("phasegate rollback --target autosave --phase B".to_owned()),
        details: json!({ "metric": "save_latency_p95" }),
        opened_at: Timestamp::parse("2026-11-22T10:15:31Z").unwrap(),
    }
}

fn resolution() -> ResolvePage {
    ResolvePage { incident: incident(), target: target(), dedup_key: KEY.to_owned() }
}

fn question() -> CheckPageAcknowledged {
    CheckPageAcknowledged { incident: incident(), target: target(), dedup_key: KEY.to_owned() }
}

fn slack_by_token(api_url: &str, token: &str, timeout: Duration) -> Slack {
    let access = SlackAccess::BotToken { token: token.into(), api_url: api_url.to_owned() };
    Slack::new(SlackSettings { access, buttons: true, timeout }, clock()).unwrap()
}

fn slack_by_webhook(channel: &str, url: &str, timeout: Duration) -> Slack {
    let access = SlackAccess::webhooks(&format!("{channel}={url}").into()).unwrap();
    Slack::new(SlackSettings { access, buttons: true, timeout }, clock()).unwrap()
}

fn pagerduty_at(url: &str, routing_key: &str, api_token: &str, timeout: Duration) -> PagerDuty {
    let settings = PagerDutySettings {
        routing_key: routing_key.into(),
        events_url: url.to_owned(),
        rest: Some(PagerDutyRestSettings {
            token: api_token.into(),
            api_url: url.to_owned(),
            from: Some("oncall@example.com".to_owned()),
        }),
        timeout,
    };
    PagerDuty::new(settings, clock()).unwrap()
}
