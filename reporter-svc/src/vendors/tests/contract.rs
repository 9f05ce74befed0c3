//! What every vendor client must do with an answer, with none, and with its secrets.

use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use service_kit::outbox::Outcome;
use tracing_subscriber::util::SubscriberInitExt;

use super::canned::{Says, nobody, serve};
use super::{TIMEOUT, message, page, pagerduty_at, question, slack_by_token, slack_by_webhook};
use crate::notifiers::Notifier;
use crate::ports::Pager;
use crate::vendors::{Code, Meaning, PagerDuty, Row, Slack, Status, Vendor};

type Attempt = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One way of one vendor.
struct Subject {
    name: &'static str,
    table: &'static [Row],
    reference: &'static str,
    /// How the vendor says a code; `None`: its bodies hold none.
    body: fn(Code) -> &'static str,
    /// Whether asking again does no harm, so that nothing is unknown.
    only_reads: bool,
    call: fn(url: String, timeout: Duration) -> Attempt,
}

const SECRETS: [&str; 4] =
    ["xoxb-s3cret-token", "T0/B0/s3cretpath", "routing-s3cret-key", "rest-s3cret-token"];

fn subjects() -> [Subject; 4] {
    fn api_body(code: Code) -> &'static str {
        match code {
            Code::Is("ok") => r#"{"ok":true,"channel":"C1","ts":"1.2"}"#,
            Code::Is(code) => format!(r#"{{"ok":false,"error":"{code}"}}"#).leak(),
            Code::Other => r#"{"ok":false,"error":"an_error_of_tomorrow"}"#,
            Code::Any | Code::Unreadable => "<html>gateway</html>",
        }
    }
    fn webhook_body(code: Code) -> &'static str {
        match code {
            Code::Is(code) => code,
            Code::Other => "an_error_of_tomorrow",
            Code::Any | Code::Unreadable => "<html>gateway</html>",
        }
    }
    [
        Subject {
            name: "slack by token",
            table: Slack::TABLE,
            reference: Slack::REFERENCE,
            body: api_body,
            only_reads: false,
            call: |url, timeout| {
                Box::pin(async move {
                    let slack = slack_by_token(&url, SECRETS[0], timeout);
                    slack.post(&message("#a", "text"), None, false).await
                })
            },
        },
        Subject {
            name: "slack by webhook",
            table: Slack::TABLE,
            reference: Slack::REFERENCE,
            body: webhook_body,
            only_reads: false,
            call: |url, timeout| {
                Box::pin(async move {
                    let slack = slack_by_webhook("#a", &format!("{url}/services/{}", SECRETS[1]), timeout);
                    slack.post(&message("#a", "text"), None, true).await
                })
            },
        },
        Subject {
            name: "pagerduty events",
            table: PagerDuty::TABLE,
            reference: PagerDuty::REFERENCE,
            body: |_| "{}",
            only_reads: false,
            call: |url, timeout| {
                Box::pin(
                    async move { pagerduty_at(&url, SECRETS[2], SECRETS[3], timeout).trigger(&page()).await },
                )
            },
        },
        Subject {
            name: "pagerduty rest",
            table: PagerDuty::TABLE,
            reference: PagerDuty::REFERENCE,
            body: |_| r#"{"incidents":[]}"#,
            only_reads: true,
            call: |url, timeout| {
                Box::pin(async move {
                    pagerduty_at(&url, SECRETS[2], SECRETS[3], timeout).acknowledged(&question()).await
                })
            },
        },
    ]
}

impl Subject {
    fn expected(&self, meaning: Meaning, with_retry_after: bool) -> &'static str {
        match meaning {
            Meaning::Done => "done",
            Meaning::Patience if with_retry_after => "postponed",
            Meaning::Patience | Meaning::Failed => "failed",
            Meaning::Unknown if self.only_reads => "failed",
            Meaning::Unknown => "unknown",
            Meaning::Never => "never",
        }
    }
}

/// NO-3, NO-4
#[tokio::test]
async fn every_row_of_every_table_gives_its_outcome() {
    for subject in subjects() {
        assert!(subject.reference.starts_with("https://"));
        for row in subject.table {
            let status = match row.status {
                Status::Is(exactly) => exactly,
                Status::Class(hundreds) => hundreds * 100 + 99,
            };
            let both = [("", false), ("retry-after: 7\r\n", true)];
            let tried = if row.meaning == Meaning::Patience { &both[..] } else { &both[..1] };
            for &(headers, with_retry_after) in tried {
                let url = serve(Says::answer(status, headers, (subject.body)(row.code))).await;
                let outcome = (subject.call)(url, TIMEOUT).await;
                let expected = subject.expected(row.meaning, with_retry_after);
                assert_eq!(outcome.label(), expected, "{}: {row:?}: {outcome:?}", subject.name);
                if let Outcome::Postponed { after, .. } = outcome {
                    assert_eq!(after, Duration::from_secs(7));
                }
            }
        }
    }
}

/// What the vendors' pages say, stated apart from the tables. NO-3, NO-4
#[tokio::test]
async fn the_vendors_documented_answers_mean_what_their_pages_say() {
    let [by_token, by_webhook, events, _] = subjects();
    let check = async |subject: &Subject, status: u16, body: &str, expected: &str| {
        let outcome = (subject.call)(serve(Says::answer(status, "", body)).await, TIMEOUT).await;
        assert_eq!(outcome.label(), expected, "{} {status} {body}: {outcome:?}", subject.name);
    };
    check(&by_token, 200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#, "done").await;
    for final_error in ["channel_not_found", "invalid_auth", "msg_too_long", "is_archived", "not_in_channel"]
    {
        check(&by_token, 200, &format!(r#"{{"ok":false,"error":"{final_error}"}}"#), "never").await;
    }
    for passing in ["ratelimited", "service_unavailable", "request_timeout"] {
        check(&by_token, 200, &format!(r#"{{"ok":false,"error":"{passing}"}}"#), "failed").await;
    }
    for unclear in ["internal_error", "fatal_error"] {
        check(&by_token, 200, &format!(r#"{{"ok":false,"error":"{unclear}"}}"#), "unknown").await;
    }
    check(&by_token, 200, "ok", "unknown").await;
    check(&by_token, 502, "", "unknown").await;
    check(&by_webhook, 200, "ok", "done").await;
    check(&by_webhook, 200, "<html>signed in?</html>", "unknown").await;
    check(&by_webhook, 404, "no_service", "never").await;
    check(&by_webhook, 410, "channel_is_archived", "never").await;
    check(&by_webhook, 500, "rollup_error", "unknown").await;
    check(&events, 202, r#"{"status":"success"}"#, "done").await;
    check(&events, 400, r#"{"status":"invalid event"}"#, "never").await;
    check(&events, 429, "", "failed").await;
    check(&events, 500, "", "unknown").await;
}

/// NO-4
#[tokio::test]
async fn only_a_request_that_was_never_written_is_a_failure() {
    for subject in subjects() {
        let unknown = if subject.only_reads { "unknown or failed" } else { "unknown" };
        let check = async |url: String, timeout, expected: &str| {
            let outcome = (subject.call)(url, timeout).await;
            let said = outcome.label();
            assert!(expected.split(" or ").any(|one| one == said), "{}: {outcome:?}", subject.name);
        };
        check(nobody().await, TIMEOUT, "failed").await;
        check(serve(Says::Bytes(String::new())).await, TIMEOUT, unknown).await;
        check(serve(Says::broken_off(200)).await, TIMEOUT, unknown).await;
        check(serve(Says::broken_off(400)).await, TIMEOUT, "never").await;
        check(serve(Says::Nothing).await, Duration::from_millis(200), unknown).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for subject in subjects() {
        let elsewhere = serve(Says::answer(200, "", "ok")).await;
        let url = serve(Says::answer(307, &format!("location: {elsewhere}\r\n"), "")).await;
        let outcome = (subject.call)(url, TIMEOUT).await;
        assert_eq!(outcome.label(), "failed", "{}", subject.name);
    }
}

/// Secrets come back in whole error pages, stand in URLs, and pass through libraries that log. NO-5
#[tokio::test]
async fn no_secret_is_in_an_outcome_a_log_line_or_a_debug_text() {
    let log = Log::default();
    let written = log.clone();
    let guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || written.clone())
        .set_default();
    let mut said = String::new();
    for subject in subjects() {
        for status in [200, 202, 302, 400, 401, 404, 429, 500] {
            let outcome = (subject.call)(serve(Says::Echo { status }).await, TIMEOUT).await;
            said += &format!("{outcome:?}\n");
        }
        for url in [nobody().await, serve(Says::Bytes(String::new())).await] {
            said += &format!("{:?}\n", (subject.call)(url, TIMEOUT).await);
        }
        said +=
            &format!("{:?}\n", (subject.call)(serve(Says::Nothing).await, Duration::from_millis(50)).await);
    }
    let url = "http://127.0.0.1:1";
    said += &format!("{:?}", slack_by_token(url, SECRETS[0], TIMEOUT));
    said += &format!("{:?}", slack_by_webhook("#a", &format!("{url}/services/{}", SECRETS[1]), TIMEOUT));
    said += &format!("{:?}", pagerduty_at(url, SECRETS[2], SECRETS[3], TIMEOUT));
    drop(guard);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("TRACE"), "nothing was logged: {logged}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret} in {said}");
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was logged");
    }
    assert!(said.contains("***"), "the echoes were not even looked at: {said}");
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
