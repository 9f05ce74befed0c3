//! PagerDuty against its double.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::outbox::Outcome;
use vendor_doubles::{Mode, PagerDutyDouble, PagerDutyOptions, PagerDutyStatus};

use shared_types::Timestamp;
use uuid::Uuid;

use super::{KIND, PagerDuty, PagerDutyRestSettings, PagerDutySettings};
use crate::pagers::Pager;
use crate::tests::canned::{Says, serve};
use crate::tests::{TIMEOUT, Trial, clock, incident, opened, target};
use crate::ways::ChannelState;
use domain::effects::{
    CheckPageAcknowledged, PageNotice, ResolvePage, SetPagePriority, Severity, TriggerPage,
};
use service_kit::vendors::{Code, Vendor};

const KEY: &str = "phasegate/autosave/INC-20261122-001";
const ROUTING_KEY: &str = "routing-s3cret-key";
const API_TOKEN: &str = "rest-s3cret-token";

pub(crate) fn page() -> TriggerPage {
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

fn told(url: &str) -> [String; 4] {
    [
        format!("--pagerduty-routing-key={ROUTING_KEY}"),
        format!("--pagerduty-events-url={url}"),
        format!("--pagerduty-api-token={API_TOKEN}"),
        format!("--pagerduty-api-url={url}"),
    ]
}

/// The ways in which the pager of that name is asked.
pub(crate) fn trials_of(pager: &str) -> Vec<Trial> {
    assert_eq!(pager, KIND.name, "a pager without trials");
    let events = Trial {
        name: "pagerduty events",
        table: PagerDuty::TABLE,
        reference: PagerDuty::REFERENCE,
        body: |code| match code {
            Code::Is(_) => r#"{"status":"success","dedup_key":"phasegate/autosave/INC-20261122-001"}"#,
            _ => "<html>proxy</html>",
        },
        only_reads: false,
        secrets: &[ROUTING_KEY, API_TOKEN],
        call: |url, timeout| {
            Box::pin(async move { opened(&KIND, &told(&url), timeout).trigger(&page()).await })
        },
        documented: &[
            (202, r#"{"status":"success","dedup_key":"phasegate/autosave/INC-20261122-001"}"#, "done"),
            (202, r#"{"status":"success"}"#, "unknown"),
            (202, r#"{"status":"success","dedup_key":"another"}"#, "unknown"),
            (202, r#"{"status":"queued","dedup_key":"phasegate/autosave/INC-20261122-001"}"#, "unknown"),
            (202, "", "unknown"),
            (200, r#"{"status":"success","dedup_key":"phasegate/autosave/INC-20261122-001"}"#, "unknown"),
            (200, "<html>signed in?</html>", "unknown"),
            (204, "", "unknown"),
            (401, "", "refused"),
            (403, "<html>proxy</html>", "refused"),
            (404, "", "refused"),
            (407, "", "refused"),
            (400, r#"{"status":"invalid event"}"#, "never"),
            (429, "", "failed"),
            (500, "", "unknown"),
        ],
        shown: |url| format!("{:?}", pagerduty_at(url, ROUTING_KEY, API_TOKEN, TIMEOUT)),
    };
    let rest = Trial {
        name: "pagerduty rest",
        table: super::rest::TABLE,
        body: |_| r#"{"incidents":[]}"#,
        only_reads: true,
        call: |url, timeout| {
            Box::pin(async move { opened(&KIND, &told(&url), timeout).acknowledged(&question()).await })
        },
        documented: &[],
        ..events
    };
    vec![events, rest]
}

fn client(double: &PagerDutyDouble, timeout: Duration) -> PagerDuty {
    pagerduty_at(&double.url(), &double.routing_key(), &double.api_token(), timeout)
}

fn priority(name: &str) -> SetPagePriority {
    SetPagePriority {
        incident: incident(),
        target: target(),
        dedup_key: KEY.to_owned(),
        priority: name.to_owned(),
    }
}

/// ES-1, ES-3, ES-4
#[tokio::test]
async fn an_incident_is_one_incident_there_from_opening_to_resolution() {
    let double = PagerDutyDouble::start().await.unwrap();
    let pager = client(&double, TIMEOUT);
    assert_eq!(pager.trigger(&page()).await, Outcome::Done(json!({ "dedup_key": KEY })));
    let escalated = TriggerPage { priority: "P1".to_owned(), severity: Severity::Critical, ..page() };
    assert_eq!(pager.trigger(&escalated).await.label(), "done");
    assert_eq!(pager.resolve(&resolution()).await.label(), "done");
    let [incident] = double.incidents().try_into().unwrap();
    assert_eq!(incident.status, PagerDutyStatus::Resolved);
    assert_eq!((incident.triggers, incident.severity.as_str()), (2, "critical"));
    assert_eq!(incident.details["template"], "autosave-incident");
    assert_eq!(incident.details["priority"], "P1");
    assert_eq!(incident.details["rollback"]["command"], "phasegate rollback --target autosave --phase B");
}

/// NO-7: it is a page of its own, and no incident's key is used for it.
#[tokio::test]
async fn a_notice_is_a_warning_beside_the_incidents_page() {
    let double = PagerDutyDouble::start().await.unwrap();
    let pager = client(&double, TIMEOUT);
    let notice = PageNotice {
        notification: Uuid::nil(),
        target: target(),
        incident: Some(incident()),
        dedup_key: "phasegate/autosave/given-up/INC-20261122-001/slack/#incident".to_owned(),
        summary: "📵 AutoSave B: PostSlackMessage did not get through".to_owned(),
        source: "phasegate/autosave".to_owned(),
        service: "AutoSave".to_owned(),
        text: "📵 AutoSave B".to_owned(),
        at: Timestamp::parse("2026-11-22T10:20:00Z").unwrap(),
    };
    assert_eq!(pager.notice(&notice).await.label(), "done");
    let [raised] = double.incidents().try_into().unwrap();
    assert_eq!((raised.severity.as_str(), raised.dedup_key.as_str()), ("warning", notice.dedup_key.as_str()));
    assert_eq!(crate::pagers::incident_of(&raised.dedup_key), None);
    assert_eq!(raised.details["incident"], "INC-20261122-001");
}

/// NO-7: a page that is a test is taken back at once, and a look pages nobody.
#[tokio::test]
async fn a_test_page_is_taken_back_and_a_look_pages_nobody() {
    let double = PagerDutyDouble::start().await.unwrap();
    let pager = client(&double, TIMEOUT);
    assert_eq!(pager.look().await.state, ChannelState::Ok);
    let refused = pagerduty_at(&double.url(), ROUTING_KEY, "another-token", TIMEOUT).look().await;
    assert_eq!(refused.state, ChannelState::Failing);
    assert!(refused.detail.starts_with("the REST token: 401"), "{refused:?}");
    assert!(double.incidents().is_empty());
    let notice = PageNotice {
        notification: Uuid::nil(),
        target: target(),
        incident: None,
        dedup_key: "phasegate-test/1".to_owned(),
        summary: "TEST".to_owned(),
        source: "phasegate".to_owned(),
        service: "AutoSave".to_owned(),
        text: "TEST".to_owned(),
        at: Timestamp::parse("2026-11-22T10:20:00Z").unwrap(),
    };
    assert_eq!(pager.try_out(&notice).await.label(), "done");
    let [raised] = double.incidents().try_into().unwrap();
    assert_eq!((raised.summary.as_str(), raised.status), ("TEST", PagerDutyStatus::Resolved));
    assert_eq!(crate::pagers::incident_of(&raised.dedup_key), None);
}

/// NO-7: an answer without an end is not read without an end, and counts as none.
#[tokio::test]
async fn an_endless_answer_is_unknown() {
    let url = serve(Says::Endless).await;
    let pager = pagerduty_at(&url, ROUTING_KEY, API_TOKEN, TIMEOUT);
    assert_eq!(pager.trigger(&page()).await.label(), "unknown");
}

/// ES-1
#[tokio::test]
async fn a_repeat_after_a_lost_reply_opens_no_second_incident() {
    let double = PagerDutyDouble::start().await.unwrap();
    for mode in [Mode::AcceptThenDropReply, Mode::ErrorAfterEffect(500), Mode::AcceptThenNeverAnswer] {
        double.next(mode.clone());
        let outcome = client(&double, Duration::from_millis(300)).trigger(&page()).await;
        assert_eq!(outcome.label(), "unknown", "{mode:?}");
    }
    assert_eq!(client(&double, TIMEOUT).trigger(&page()).await.label(), "done");
    assert_eq!(double.incidents().len(), 1);
    assert_eq!(double.events().len(), 4);
}

/// ES-3
#[tokio::test]
async fn a_priority_is_found_by_name_and_set_once_the_incident_is_there() {
    let options = PagerDutyOptions { appears_after_lookups: 1, ..PagerDutyOptions::default() };
    let double = PagerDutyDouble::start_with(options).await.unwrap();
    let pager = client(&double, TIMEOUT);
    assert_eq!(pager.trigger(&page()).await.label(), "done");
    assert_eq!(pager.set_priority(&priority("P1")).await.label(), "failed");
    let set = pager.set_priority(&priority("P1")).await;
    assert_eq!(set, Outcome::Done(json!({ "incident": "PINC0001", "priority": "P1" })));
    assert_eq!(double.incidents()[0].priority.as_deref(), Some("P1"));
    let reason = "the account has no priority named P9".to_owned();
    assert_eq!(pager.set_priority(&priority("P9")).await, Outcome::Never { reason });
}

/// ES-3
#[tokio::test]
async fn an_acknowledgement_is_read_back_with_its_time_and_name() {
    let double = PagerDutyDouble::start().await.unwrap();
    let pager = client(&double, TIMEOUT);
    assert_eq!(pager.acknowledged(&question()).await, Outcome::Done(Value::Null));
    assert_eq!(pager.trigger(&page()).await.label(), "done");
    assert_eq!(pager.acknowledged(&question()).await, Outcome::Done(Value::Null));
    assert!(double.acknowledge(KEY, "Ada"));
    let Outcome::Done(found) = pager.acknowledged(&question()).await else { panic!() };
    assert_eq!(found["by"], "Ada");
    assert_eq!(found["at"], json!(double.incidents()[0].acknowledgements[0].0));
}

#[tokio::test]
async fn without_a_rest_token_nothing_is_asked_of_the_rest_api() {
    let double = PagerDutyDouble::start().await.unwrap();
    let settings = PagerDutySettings {
        routing_key: double.routing_key().into(),
        events_url: double.url(),
        rest: None,
        timeout: TIMEOUT,
    };
    let pager = PagerDuty::new(settings, clock()).unwrap();
    assert_eq!(pager.set_priority(&priority("P1")).await.label(), "done");
    assert_eq!(pager.acknowledged(&question()).await, Outcome::Done(Value::Null));
    assert_eq!(double.attempts(), []);
}

#[tokio::test]
async fn what_pagerduty_refuses_for_good_is_never_sent_again() {
    let double = PagerDutyDouble::start().await.unwrap();
    let wrong_key = pagerduty_at(&double.url(), "not-the-key", "not-the-token", TIMEOUT);
    let Outcome::Never { reason } = wrong_key.trigger(&page()).await else { panic!() };
    assert!(reason.starts_with("400") && reason.contains("Invalid routing key"), "{reason}");
    assert_eq!(wrong_key.acknowledged(&question()).await.label(), "refused");
    let empty = TriggerPage { summary: String::new(), ..page() };
    assert_eq!(client(&double, TIMEOUT).trigger(&empty).await.label(), "never");
    assert_eq!(double.incidents(), []);
}
